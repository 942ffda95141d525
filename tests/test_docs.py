"""The documentation held against the program: commands, options, links, VCF fields, filters, reasons."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ctdna.cli.main import COMMANDS
from ctdna.cli.main import command as ctdna
from ctdna.formats import annotated_vcf, tables, vcf
from ctdna.kernels import grouping
from ctdna.model import result
from ctdna.model.base import Frozen
from ctdna.model.kit import KitDefinition
from ctdna.model.variants import FILTERS
from ctdna.stages import consensus_metrics, evidence, extract, filter

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
REASONS = {
    "demultiplex": ("failed_filter", "undetermined"),
    "extract": extract.REASONS,
    "group": ("secondary", "supplementary", *grouping.REASONS[1:]),
    "consensus": consensus_metrics.REASONS[1:],
    "filter": tuple(filter.REASONS.values()),
    "call": evidence.REASONS,
    "background": ("not_counted_on_target",),
    "simulate": ("not_sequenced",),
}


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def code_of(text: str) -> list[str]:
    """Return the logical lines of the code blocks (fenced, or indented by four), then the code spans, of a page."""
    blocks, fenced = [], False
    prose = []
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            blocks.append(line.strip())
        else:
            prose.append(line)
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(blocks)).splitlines()
    return joined + [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", "\n".join(prose))]


def commands_of(text: str) -> list[str]:
    """Return what follows `ctdna` on each command line of a page, up to a comment, a pipe or another column."""
    lines = []
    for line in code_of(text):
        found = re.match(r"(?:\$ |sudo |\S+=\S+ |nice -n \d+ )*(?:\S*/)?ctdna +([a-z-].*)", line)
        if found and not line.startswith(("ctdna:", "ctdna@")):
            lines.append(re.split(r"\s{3,}|\s#|\s[|>;&]|\s2>|[;:]\s", found[1])[0])
    return lines


def fault_of(line: str) -> str:
    """Return what is wrong with the words after `ctdna`: an unknown command or option; empty where nothing is."""
    here: click.Command = ctdna
    for word in shlex.split(line.replace("...", "")):
        option = word.split("=")[0]
        if option.startswith("-") and option not in ("-", "-h", "--help"):
            known = {name for one in here.params for name in (*one.opts, *one.secondary_opts)}
            if option not in known:
                return f"ctdna {line}: no option {option} of {here.name}"
        elif isinstance(here, click.Group) and not word.startswith("-") and word != "COMMAND":
            inner = here.get_command(click.Context(here), word)
            if inner is None:
                return f"ctdna {line}: no command {word}"
            here = inner
    return ""


def _table(heading: str) -> Iterator[tuple[str, str]]:
    part = ARCHITECTURE.split(heading, 1)[1].split("\n## ", 1)[0]
    for line in part.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 2:
            yield cells[0], cells[1]


def _documented_fields(kind: str) -> set[str]:
    rows = [cell for cell, _ in _table("## VCF of `call`") if cell.startswith(f"{kind} ") or f"{kind}/" in cell]
    return {name for cell in rows for name in re.findall(r"[A-Z0-9]+", cell.replace(kind, ""))}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_command_line_names_existing_commands_and_options(page: Path) -> None:
    faults = [fault for line in commands_of(page.read_text(encoding="utf-8")) if (fault := fault_of(line))]
    assert faults == []


def test_the_search_for_command_lines_finds_them_and_their_faults() -> None:
    block = "    ctdna group --input a.bam \\\n        --edit 1   remark --x\n"
    text = f"Use `ctdna call --no-such` or\n\n{block}\n`ctdna kit shew`"
    assert commands_of(text) == ["group --input a.bam --edit 1", "call --no-such", "kit shew"]
    assert [fault_of(line) for line in commands_of(text)] == [
        "ctdna group --input a.bam --edit 1: no option --edit of group",
        "ctdna call --no-such: no option --no-such of call",
        "ctdna kit shew: no command shew",
    ]
    assert fault_of("kit show NAME@VERSION") == fault_of("group --edits=1") == fault_of("--debug call --help") == ""


def _hints(source: str) -> Iterator[str]:
    """Yield what follows `ctdna` in each message of a module that tells the user to give a command."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for found in re.finditer(r"(?:see |by |run |`)ctdna ([a-z]+[a-z-]*)((?: [a-z-]+)?)", node.value):
                command = ctdna.get_command(click.Context(ctdna), found[1])
                yield found[1] + (found[2] if isinstance(command, click.Group) else "")


def test_every_command_that_a_message_names_exists() -> None:
    hints = [hint for path in (ROOT / "src").rglob("*.py") for hint in _hints(path.read_text(encoding="utf-8"))]
    assert len(hints) > 50
    assert [fault for hint in hints if (fault := fault_of(hint))] == []
    assert [fault_of(hint) for hint in _hints("x = 'see ctdna site add-machine'")] == [
        "ctdna site add-machine: no command add-machine"
    ]


def _options(command: click.Command) -> set[str]:
    found = {name for one in command.params for name in (*one.opts, *one.secondary_opts) if name.startswith("--")}
    if isinstance(command, click.Group):
        context = click.Context(command)
        inner = [command.get_command(context, name) for name in command.list_commands(context)]
        found.update(*(_options(one) for one in inner if one is not None))
    return found


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_named_option_exists(page: Path) -> None:
    text = re.sub(r"^ +snakemake .*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text)) - {"--help"}
    assert named - _options(ctdna) == set()


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "stages").glob("*.md")), ids=_name)
def test_every_option_of_a_stage_stands_on_its_page(page: Path) -> None:
    command = ctdna.get_command(click.Context(ctdna), page.stem)
    assert command is not None
    text = page.read_text(encoding="utf-8")
    if page.stem in ("background", "calibrate"):
        text += (page.parent / "call.md").read_text(encoding="utf-8")
    shared = {"--kit", "--threads", "--metrics", "--sample"}
    named = set(re.findall(r"(?<![\w-])--(?:no-)?([a-z][a-z0-9-]+)", text))
    assert {
        name for name in _options(command) - shared if name.removeprefix("--").removeprefix("no-") not in named
    } == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_in_the_documentation(name: str) -> None:
    lines = [line for page in PAGES for line in commands_of(page.read_text(encoding="utf-8"))]
    assert any(line.split()[0] == name for line in lines)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_relative_link_and_image_resolves(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [target.split("#")[0] for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_named_file_of_the_repository_exists(page: Path) -> None:
    pattern = r"`((?:config|docs|pipeline|src|test-data|tests|tools|workflow|benchmarks)/[\w./-]+)`"
    named = re.findall(pattern, page.read_text(encoding="utf-8"))
    places = (ROOT, ROOT / "src" / "ctdna")
    assert [path for path in named if not any((place / path).exists() for place in places)] == []


def test_the_filters_in_the_architecture_are_those_that_are_written() -> None:
    row = next(meaning for cell, meaning in _table("## VCF of `call`") if cell == "FILTER")
    assert set(re.findall(r"`(\w+)`", row)) == set(FILTERS)


def test_the_vcf_fields_in_the_architecture_are_those_that_are_written() -> None:
    header = vcf.header_lines([("chr1", 9)], "s", {}, "r.fa")
    for kind in ("INFO", "FORMAT"):
        written = {found[1] for line in header if (found := re.match(rf"##{kind}=<ID=(\w+)", line))}
        assert _documented_fields(kind) == written
    added = ARCHITECTURE.split("`annotate` adds INFO:", 1)[1].split(". Percent", 1)[0]
    assert set(re.findall(r"`([A-Z][A-Z_]+)`", added)) == {field[0] for field in annotated_vcf.FIELDS}


def test_the_locus_table_in_the_architecture_is_the_one_that_is_written() -> None:
    found = re.search(r"^`#(contig pos1 [^`]+)`", ARCHITECTURE, re.MULTILINE)
    assert found is not None
    assert tuple(found[1].split()) == tuple(tables.LOCUS_COLUMNS)


@pytest.mark.parametrize("stage", sorted(REASONS))
def test_every_reason_of_a_stage_stands_on_its_page(stage: str) -> None:
    text = (ROOT / "docs" / "stages" / f"{stage}.md").read_text(encoding="utf-8")
    assert [reason for reason in REASONS[stage] if f"`{reason}`" not in text] == []


def test_every_module_that_the_architecture_names_exists() -> None:
    named = {name for cell, _ in _table("## Modules") for name in re.findall(r"`([a-z_/]+)`", cell)}
    folder = ROOT / "src" / "ctdna"
    assert len(named) > 20
    assert [name for name in named if not (folder / name).is_dir() and not (folder / f"{name}.py").is_file()] == []


def _fields_of(page: str, heading: str) -> set[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    listed = [line for line in text.splitlines() if re.match(r"`\w+`(, `\w+`)*, and$", line)]
    return {name for cell in (*cells, *listed) for name in re.findall(r"`(\w+)`", cell)}


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Result", result.Result),
        ("Finding", result.Finding),
        ("Hotspot", result.ReportableLocus),
        ("Target", result.TargetSummary),
    ],
)
def test_the_fields_of_the_result_are_those_of_the_model(heading: str, model: type[Frozen]) -> None:
    assert _fields_of("result-json.md", heading) == set(model.model_fields)


def test_the_keys_of_a_kit_are_those_of_the_model() -> None:
    assert _fields_of("kit-authoring.md", "kit.yaml") == set(KitDefinition.model_fields)


def test_the_module_map_names_or_covers_every_module() -> None:
    named = {name.rstrip("/") for cell, _ in _table("## Modules") for name in re.findall(r"`(\w+/\w*)`", cell)}
    package = ROOT / "src" / "ctdna"
    modules = {str(path.relative_to(package).with_suffix("")) for path in package.rglob("*.py")}
    modules = {name for name in modules if "/" in name and not name.endswith("__init__")}
    assert {name for name in modules if not any(name == one or name.startswith(f"{one}/") for one in named)} == set()
