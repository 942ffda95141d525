"""Lets `python -m ctdna` be the command line."""

from ctdna.cli.main import run

run()
