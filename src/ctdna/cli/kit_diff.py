"""`ctdna kit diff`: what differs between two kit versions, and what that touches."""

from pathlib import Path

import click

from ctdna.cli.impact_output import report_format


@click.command("diff")
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@report_format()
def kit_diff(before: str, after: str, form: str, output: Path | None) -> None:
    """Compare two kit versions (NAME@VERSION) item by item, and say what each difference touches.

    Every key of kit.yaml, every row of the tables, the background, the files beside them. For each, by the table of
    rules in config/impact/rules.yaml: the stages and variant classes, the claims, and whether their evidence stands,
    needs a replay of archived runs, or a study again.
    """
    from ctdna.cli.impact_output import say_impact
    from ctdna.kit.load import load_kit
    from ctdna.validation.kit_diff import kit_impact
    from ctdna.validation.rules import load_rules

    say_impact(kit_impact(load_kit(before), load_kit(after), load_rules()), form, output)
