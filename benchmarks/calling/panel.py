"""The benchmark's panel: a reference of short contigs, and a kit on it.

The sequence is GRCh38 around the exons of the core kit where the folder of public real data is there, otherwise drawn
from a seeded generator with repeats.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from ctdna.cli.calling import SETTINGS
from ctdna.formats.fasta import Reference, index_fasta
from ctdna.kit.document import read_definition

ROOT = Path(__file__).resolve().parents[2]
_KITS = ROOT / "config" / "kits"
_SEED = 20260117
_FLANK = 500
_SNP_SPACING, _SNP_FREQUENCY = 1300, 0.25
FALSE_POSITIVES = 0.1
"""Allowed over a panel of `PANEL_BASES`, a sample."""
PANEL_BASES = 100_000
CLAIMED_LOD = 0.002


class Panel(NamedTuple):
    """A reference with targets, and the kit that names them."""

    kit: str
    """`name@version`."""
    folder: Path
    sequences: dict[str, str]
    targets: tuple[tuple[str, int, int], ...]
    """Contig, start0, end0."""
    snps: frozenset[tuple[str, int]]
    """Contig and 1-based position of the common SNPs."""
    rules: dict[str, float] = {}
    """The kit's rules for calling."""

    @property
    def fasta(self) -> Path:
        """Return the reference with its indexes beside it."""
        return self.folder / "reference.fa"

    @property
    def bed(self) -> Path:
        """Return the targets as BED with names."""
        return self.folder / "panel.bed"

    @property
    def kits(self) -> Path:
        """Return the folder for CTDNA_KITS."""
        return self.folder.parents[1]

    @property
    def n_bases(self) -> int:
        """Return the bases of all targets."""
        return sum(end - start for _, start, end in self.targets)


def _contrived(rng: random.Random, n: int) -> str:
    """Return drawn bases, 45 % of them C or G, with runs and short tandem repeats."""
    bases = ""
    while len(bases) < n:
        kind = rng.random()
        if kind < 0.004:
            bases += rng.choice("ACGT") * rng.randint(6, 11)
        elif kind < 0.006:
            bases += "".join(rng.choice("ACGT") for _ in range(rng.randint(2, 4))) * rng.randint(4, 7)
        else:
            bases += rng.choices("ACGT", (0.275, 0.225, 0.225, 0.275))[0]
    return bases[:n]


def _rows(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text("utf-8").splitlines()]


def _exons(reference: Reference, n: int) -> list[tuple[str, str, int]]:
    """Return name, contig and middle of the core kit's exons that lie on the slices, `n` bases around them."""
    core = _KITS / "ctdna-core" / "1.0.0"
    slices = [(row[0], int(row[1]), row[3], int(row[4]) - 1) for row in _rows(core / "slices.tsv")[1:]]
    there = {name for name, _ in reference.contigs}
    found = []
    for chrom, start, end, name in _rows(core / "panel.bed"):
        middle = (int(start) + int(end)) // 2
        for contig, length, of, first0 in slices:
            if of == chrom and contig in there and n // 2 <= middle - first0 <= length - n + n // 2:
                found.append((name.replace(":", "_"), contig, middle - first0))
    return found


def _real_windows(data: Path, n_targets: int, target_bases: int) -> list[tuple[str, str]]:
    """Return windows of GRCh38, none near another: around the core kit's exons first, then at drawn places."""
    rng = random.Random(_SEED)
    n = target_bases + 2 * _FLANK
    found: list[tuple[str, str]] = []
    taken: list[tuple[str, int]] = []
    with Reference(data / "reference" / "panel_hg38_slices.fa") as reference:
        wanted = _exons(reference, n)
        lengths = {name: length for name, length in reference.contigs if length > 3 * n}
        while len(found) < n_targets:
            contig = rng.choice(sorted(lengths))
            drawn = (f"{contig.split('_')[0]}_{len(found)}", contig, rng.randrange(n, lengths[contig] - n))
            name, contig, middle = wanted.pop(0) if wanted else drawn
            text = reference.fetch(contig, middle - n // 2, middle - n // 2 + n).tobytes().decode()
            near = any(contig == other and abs(middle - place) < n for other, place in taken)
            if len(text) == n and set(text) <= set("ACGT") and not near:
                found.append((name, text))
                taken.append((contig, middle))
    return found


def windows(n_targets: int, target_bases: int, real_data: Path | None) -> list[tuple[str, str]]:
    """Return names and bases of the contigs."""
    if real_data is not None:
        return _real_windows(real_data, n_targets, target_bases)
    rng = random.Random(_SEED)
    return [(f"bench_{i + 1}", _contrived(rng, target_bases + 2 * _FLANK)) for i in range(n_targets)]


def _tables(sequences: dict[str, str]) -> tuple[dict[str, str], frozenset[tuple[str, int]]]:
    """Return the kit's tables by file name, and its common SNPs."""
    rng = random.Random(_SEED + 1)
    swap = {"A": "G", "G": "A", "C": "T", "T": "C"}
    bed, snps, places = "", "contig\tpos1\tref\talt\tfrequency\n", set()
    contigs = "contig\tlength\tmd5\n"
    for name, bases in sequences.items():
        bed += f"{name}\t{_FLANK}\t{len(bases) - _FLANK}\t{name}\n"
        contigs += f"{name}\t{len(bases)}\t{hashlib.md5(bases.encode()).hexdigest()}\n"
        for at in range(_FLANK + rng.randrange(200, 600), len(bases) - _FLANK - 100, _SNP_SPACING):
            snps += f"{name}\t{at + 1}\t{bases[at]}\t{swap[bases[at]]}\t{_SNP_FREQUENCY}\n"
            places.add((name, at + 1))
    tables = {"panel.bed": bed, "common_snps.tsv": snps, "contigs.tsv": contigs}
    tables["hotspots.tsv"] = "contig\tpos1\tref\talt\tgene\tlabel\n"
    for table in ("transcripts.tsv", "knowledge.tsv"):
        text = (_KITS / "ctdna-demo" / "1.0.0" / table).read_text("utf-8")
        tables[table] = text.splitlines()[0] + "\n"
    return tables, frozenset(places)


def _definition(name: str, n_bases: int, changes: dict[str, float]) -> str:
    """Return `kit.yaml`: the demo kit's stages, `ctdna call`'s defaults, the false calls that the targets allow."""
    plain = read_definition(_KITS / "ctdna-demo" / "1.0.0" / "kit.yaml").model_dump(mode="json")
    plain |= {"name": name, "version": "1.0.0"}
    plain["reference"] |= {"name": name, "assembly": "benchmark"}
    plain["files"] |= {"background": None}
    plain["controls"] |= {"positive": []}
    plain["call"] = {rule: default for rule, (_, default, _) in SETTINGS.items()}
    budget = FALSE_POSITIVES * n_bases / PANEL_BASES
    plain["call"] |= {"false_positives_per_panel": budget, "claimed_lod": CLAIMED_LOD, **changes}
    return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"


def _index(fasta: Path) -> None:
    index_fasta(fasta)
    subprocess.run(["bwa", "index", str(fasta)], check=True, capture_output=True)
    subprocess.run(["samtools", "dict", "-o", str(fasta.with_suffix(".dict")), str(fasta)], check=True)


def make_panel(
    folder: Path,
    name: str,
    n_targets: int,
    target_bases: int,
    real_data: Path | None,
    changes: dict[str, float] | None = None,
) -> Panel:
    """Return the panel, made under `folder/kits` unless it is there; `changes` are of the kit's rules for calling."""
    home = folder / "kits" / name / "1.0.0"
    sequences = dict(windows(n_targets, target_bases, real_data))
    tables, snps = _tables(sequences)
    targets = tuple((contig, _FLANK, len(bases) - _FLANK) for contig, bases in sequences.items())
    n_bases = sum(end - start for _, start, end in targets)
    home.mkdir(parents=True, exist_ok=True)
    (home / "kit.yaml").write_text(_definition(name, n_bases, changes or {}), "utf-8")
    for table, text in tables.items():
        (home / table).write_text(text, "utf-8")
    fasta = home / "reference.fa"
    if not fasta.with_suffix(".dict").exists():
        lines = (f">{contig}\n{bases}\n" for contig, bases in sequences.items())
        fasta.write_text("".join(lines), "utf-8")
        _index(fasta)
    rules = json.loads((home / "kit.yaml").read_text("utf-8"))["call"]
    return Panel(f"{name}@1.0.0", home, sequences, targets, snps, rules)


def with_background(panel: Panel, background: Path, folder: Path) -> Panel:
    """Return the panel with its kit copied under `folder/kits`, a trained background in it."""
    home = folder / "kits" / panel.folder.parent.name / panel.folder.name
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(panel.folder, home)
    shutil.copyfile(background, home / "background.gz")
    definition = json.loads((home / "kit.yaml").read_text("utf-8"))
    definition["files"]["background"] = "background.gz"
    (home / "kit.yaml").write_text(json.dumps(definition, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return panel._replace(folder=home)


def real_data() -> Path | None:
    """Return the folder of public real data, or None where CTDNA_REAL_DATA names none."""
    named = os.environ.get("CTDNA_REAL_DATA")
    return Path(named) if named and (Path(named) / "README.md").is_file() else None
