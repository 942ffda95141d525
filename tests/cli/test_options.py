"""What the commands share: several values in a row, what was given, the kit's word, the file's name in an error."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ctdna.cli import options
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.params.group import GroupParams


@click.command(cls=options.ManyValues)
@click.argument("rest", nargs=-1)
@click.option("--many", "-m", multiple=True)
@click.option("--one", default=1)
@click.option("--flag", is_flag=True)
@click.pass_context
def some(ctx: click.Context, /, rest: tuple[str, ...], many: tuple[str, ...], one: int, flag: bool) -> None:
    click.echo(repr((rest, many, one, flag, options.given(ctx, "many", "one"))))


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        (
            ["--many", "a", "+T", "-", "--one", "2"],
            ((), ("a", "+T", "-"), 2, False, {"many": ("a", "+T", "-"), "one": 2}),
        ),
        (["--many=a", "b", "--flag"], ((), ("a", "b"), 1, True, {"many": ("a", "b")})),
        (["-m", "a", "-m", "b", "c"], ((), ("a", "b", "c"), 1, False, {"many": ("a", "b", "c")})),
        (["x", "--one", "1", "y"], (("x", "y"), (), 1, False, {"one": 1})),
        ([], ((), (), 1, False, {})),
    ],
)
def test_values_in_a_row_and_what_was_given(args: list[str], shown: tuple[object, ...]) -> None:
    assert CliRunner().invoke(some, args).output == repr(shown) + "\n"


@pytest.mark.req("REQ-KIT-004")
def test_options_that_contradict_the_kit_are_refused() -> None:
    settings = GroupParams(strategy="paired", edits=1, min_mapq=20, min_umi_length=None, allow_inter_contig=True)
    options.check_against_kit("demo@1.0.0", settings, {"strategy": "paired", "min_mapq": 20})
    with pytest.raises(InputError, match=r"--min-mapq: found 1, but kit demo@1\.0\.0 sets 20; leave the option out"):
        options.check_against_kit("demo@1.0.0", settings, {"min_mapq": 1})


def test_an_error_gets_its_file_once() -> None:
    with pytest.raises(InputError, match=r"^a\.bam: read r: no UMI; extract it$"), options.located(Path("a.bam")):
        raise InputError(None, "read r", "no UMI", "extract it")
    with pytest.raises(DefinitionError, match=r"^b\.yaml: x: wrong$"), options.located(Path("a.bam")):
        raise DefinitionError("b.yaml", "x", "wrong", "")


@click.command()
@options.max_memory()
def bounded(max_memory: int) -> None:
    click.echo(max_memory)


@pytest.mark.parametrize(
    ("text", "size"),
    [("320M", 320 << 20), ("2G", 2 << 30), ("0.5g", 1 << 29), ("1GiB", 1 << 30), ("400000kb", 409600000)],
)
def test_memory_sizes(text: str, size: int) -> None:
    assert CliRunner().invoke(bounded, ["--max-memory", text]).output == f"{size}\n"
    assert CliRunner().invoke(bounded, []).output == f"{2 << 30}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("much", "'much' is not a size such as 512M or 2G"),
        ("2000000000", "is not a size"),
        ("319M", "319M is too little: at least 320M"),
    ],
)
def test_memory_sizes_that_are_none(text: str, message: str) -> None:
    result = CliRunner().invoke(bounded, ["--max-memory", text])
    assert result.exit_code == 2
    assert message in result.output


def test_working_memory_leaves_room_for_the_program() -> None:
    for ceiling in (320 << 20, 512 << 20, 2 << 30):
        for threads in (1, 2, 8):
            held = options.working_memory(ceiling, threads) + 2 * options.batch_bytes(ceiling)
            assert held < ceiling
