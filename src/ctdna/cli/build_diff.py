"""`ctdna build diff`: what differs between two builds, and what that touches."""

from pathlib import Path

import click

from ctdna.cli.impact_output import report_format


@click.command("diff")
@click.argument("before", type=click.Path(path_type=Path), metavar="BEFORE")
@click.argument("after", type=click.Path(path_type=Path), metavar="AFTER")
@report_format()
def build_diff(before: Path, after: Path, form: str, output: Path | None) -> None:
    """Compare two build locks (files of `ctdna build lock`) item by item, and say what each difference touches.

    Which steps use a changed file is read from the imports in the sources of the running build. Signatures must be of
    manufacturers that this machine trusts.
    """
    from ctdna.build.verify import read_lock
    from ctdna.cli.impact_output import say_impact
    from ctdna.validation.build_diff import build_impact
    from ctdna.validation.import_graph import Users, read_sources
    from ctdna.validation.rules import load_rules

    old, new = read_lock(before)[0], read_lock(after)[0]
    say_impact(build_impact(old, new, Users(read_sources()), load_rules()), form, output)
