"""Every row of a kit's tables as an item, and the files beside them."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from ctdna.formats.bed import read_bed, read_lines
from ctdna.kit.contents import KitContents, of_kit, read_contents
from ctdna.kit.load import LoadedKit
from ctdna.kit.lock import file_digests
from ctdna.model.annotation import CommonSnp, ContigPlace, Hotspot, KnowledgeItem, Transcript
from ctdna.model.change import Change
from ctdna.validation.definition_items import as_text
from ctdna.validation.records import Records, diff_order, diff_records

TABLES = ("panel", "hotspots", "transcripts", "knowledge", "common_snps", "umis", "contigs", "slices")


class KitTables(NamedTuple):
    """The rows of a kit's tables by table, and the digest of each of its files."""

    rows: dict[str, Records]
    names: dict[str, str | None]
    """File of each table; None: the kit has none."""
    digests: dict[str, str]
    """SHA-256 of each file in the kit's folder, by relative path."""


def _allele(one: Hotspot | CommonSnp) -> str:
    return f"{one.contig}:{one.pos1} {one.ref}>{one.alt}"


def _hotspot(one: Hotspot) -> dict[str, str]:
    return {"gene": one.gene, "label": one.label}


def _transcript(one: Transcript) -> dict[str, str]:
    return {name: as_text(value) for name, value in one._asdict().items() if name != "name"}


def _knowledge(one: KnowledgeItem) -> dict[str, str]:
    return {name: value for name, value in one._asdict().items() if name != "id"}


def _place(one: ContigPlace) -> dict[str, str]:
    return {name: str(value) for name, value in one._asdict().items() if name != "contig"}


def _keyed(rows: Iterable[tuple[str, dict[str, str]]]) -> Records:
    """Return the rows under their names; one that stands twice is numbered."""
    keyed: Records = {}
    seen: Counter[str] = Counter()
    for name, values in rows:
        seen[name] += 1
        keyed[name if seen[name] == 1 else f"{name} #{seen[name]}"] = values
    return keyed


def _panel(kit: LoadedKit, contents: KitContents) -> Records:
    places = [(place.contig, place.length) for place in contents.contigs]

    def read(path: Path) -> Records:
        targets = read_bed(path, places)
        columns = zip(
            targets.names, targets.contig.tolist(), targets.start0.tolist(), targets.end0.tolist(), strict=True
        )
        return _keyed(
            (name, {"contig": places[contig][0], "start0": str(start0), "end0": str(end0)})
            for name, contig, start0, end0 in columns
        )

    return of_kit(read, kit.path(kit.definition.files.panel))


def _umis(kit: LoadedKit) -> Records:
    name = kit.definition.files.umis
    if name is None:
        return {}
    lines = of_kit(lambda path: read_lines(path, "a list of UMIs"), kit.path(name))
    return _keyed((line.strip(), {}) for line in lines if line.strip())


def kit_tables(kit: LoadedKit) -> KitTables:
    """Return the rows of every table of a kit.

    Raises:
        DefinitionError: a table is missing or not well formed.
    """
    contents, files, reference = read_contents(kit), kit.definition.files, kit.definition.reference
    rows: dict[str, Records] = {
        "panel": _panel(kit, contents),
        "hotspots": _keyed((_allele(one), _hotspot(one)) for one in contents.hotspots),
        "transcripts": _keyed((one.name, _transcript(one)) for one in contents.transcripts),
        "knowledge": _keyed((one.id, _knowledge(one)) for one in contents.knowledge),
        "common_snps": _keyed((_allele(one), {"frequency": str(one.frequency)}) for one in contents.common_snps),
        "umis": _umis(kit),
        "contigs": _keyed((one.contig, _place(one)) for one in contents.contigs),
        "slices": _keyed((one.contig, _place(one)) for one in contents.slices),
    }
    names = {name: getattr(reference if name in ("contigs", "slices") else files, name) for name in TABLES}
    return KitTables(rows, names, file_digests(kit.folder))


def _renaming(before: Change, after: Change) -> Change:
    names = {"old": before.record or "", "new": after.record or ""}
    return Change(item="table.panel.target", record=before.record, kind="changed", **names)


def _renamed(changes: list[Change]) -> list[Change]:
    """Return the changes of a panel with a target that only got another name as one change of its name."""
    gone = {change.old: change for change in changes if change.kind == "removed"}
    out, renamed = [], set()
    for change in changes:
        before = gone.get(change.new) if change.kind == "added" else None
        if before is not None:
            renamed.add(before.record)
        out.append(change if before is None else _renaming(before, change))
    return [change for change in out if not (change.kind == "removed" and change.record in renamed)]


_TIDY: dict[str, Callable[[list[Change]], list[Change]]] = {"panel": _renamed}


def _diff_table(name: str, old: KitTables, new: KitTables) -> list[Change]:
    item, files = f"table.{name}", (old.names[name], new.names[name])
    changes = diff_records(item, old.rows[name], new.rows[name])
    changes = _TIDY.get(name, list)(changes) + diff_order(item, old.rows[name], new.rows[name])
    before, after = (tables.digests.get(file or "") for tables, file in zip((old, new), files, strict=True))
    if not changes and before and after and before != after:
        changes.append(Change(item=f"{item}.form", kind="changed", old=before, new=after, note="every row is the same"))
    return changes


def _named_files(kit: LoadedKit) -> set[str]:
    files, reference = kit.definition.files, kit.definition.reference
    named = {*files.model_dump().values(), reference.fasta, reference.contigs, reference.slices, "kit.yaml"}
    return {name for name in named if name is not None} | {f"{reference.fasta}.fai"}


def diff_tables(old: KitTables, new: KitTables) -> list[Change]:
    """Return every row of a kit's tables that is not the same."""
    return [change for name in TABLES for change in _diff_table(name, old, new)]


def diff_files(kits: tuple[LoadedKit, LoadedKit], tables: tuple[KitTables, KitTables]) -> list[Change]:
    """Return whether the reference's own file, and files that the definition does not name, are the same."""
    references, others = [], []
    for kit, table in zip(kits, tables, strict=True):
        fasta, named = kit.definition.reference.fasta, _named_files(kit)
        references.append({"reference": {"": table.digests[fasta]}} if fasta in table.digests else {})
        others.append({name: {"": digest} for name, digest in table.digests.items() if name not in named})
    return [*diff_records("file.reference", *references), *diff_records("file.other", *others)]
