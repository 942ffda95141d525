"""The demo kit: made again by its script with the same bytes, and true to the gene models that it names."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from ctdna.formats.bed import read_bed
from ctdna.formats.kit_tables import read_common_snps, read_contigs, read_hotspots
from ctdna.formats.simulation import read_design
from ctdna.formats.transcripts import read_transcripts
from ctdna.kit.load import load_kit
from tests.naive_simulate import reverse_complement
from tests.simulation import KIT, ROOT

AMINO = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
CODE = dict(zip([a + b + c for a in "TCAG" for b in "TCAG" for c in "TCAG"], AMINO, strict=True))
NAMES = "Ala Cys Asp Glu Phe Gly His Ile Lys Leu Met Asn Pro Gln Arg Ser Thr Val Trp Tyr"
THREE = dict(zip("ACDEFGHIKLMNPQRSTVWY", NAMES.split(), strict=True))
PROTEIN_LENGTHS = {
    "EGFR": 1210, "KRAS": 188, "NRAS": 189, "BRAF": 766, "PIK3CA": 1068, "TP53": 393, "ERBB2": 1255, "KIT": 976,
    "MET": 1390,
}  # fmt: skip


def _contigs() -> dict[str, str]:
    parts = (KIT / "reference.fa").read_text().split(">")[1:]
    return {part.split()[0]: "".join(part.split("\n")[1:]) for part in parts}


CONTIGS = _contigs()


def _coding(gene: str, bases: dict[str, str]) -> str:
    """Return the gene's coding sequence, cut from the contigs in `bases`."""
    (one,) = [row for row in _rows("transcripts.tsv") if row["gene"] == gene]
    low, high = int(one["cds_start0"]), int(one["cds_end0"])
    exons = zip(map(int, one["exon_starts0"].split(",")), map(int, one["exon_ends0"].split(",")), strict=True)
    cds = "".join(bases[one["contig"]][max(a, low) : min(b, high)] for a, b in exons if max(a, low) < min(b, high))
    return cds if one["strand"] == "+" else reverse_complement(cds)


def _rows(name: str) -> list[dict[str, str]]:
    header, *lines = (KIT / name).read_text().splitlines()
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


def _protein(cds: str) -> str:
    return "".join(CODE[cds[i : i + 3]] for i in range(0, len(cds) - 2, 3))


def _changed(contig: str, pos1: int, ref: str, alt: str) -> str:
    assert CONTIGS[contig][pos1 - 1 : pos1 - 1 + len(ref)] == ref
    return CONTIGS[contig][: pos1 - 1] + alt + CONTIGS[contig][pos1 - 1 + len(ref) :]


def test_the_script_writes_the_committed_bytes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "tools" / "make_demo_kit", "--output", tmp_path], check=True)
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == ["common_snps.tsv", "contigs.tsv", "hotspots.tsv", "panel.bed", "reference.fa", "transcripts.tsv"]
    for name in made:
        assert (tmp_path / name).read_bytes() == (KIT / name).read_bytes(), name


def test_the_kit_loads_and_its_tables_are_read() -> None:
    kit = load_kit("ctdna-demo@1.0.0")
    places = read_contigs(kit.path("contigs.tsv"))
    md5 = {name: hashlib.md5(bases.encode(), usedforsecurity=False).hexdigest() for name, bases in CONTIGS.items()}
    assert {place.contig: place.md5 for place in places} == md5
    targets = read_bed(kit.path("panel.bed"), [(place.contig, place.length) for place in places])
    assert len(targets.names) == 15
    assert int((targets.end0 - targets.start0).sum()) == 1810
    assert len(read_common_snps(kit.path("common_snps.tsv"))) >= 24
    assert len(read_transcripts(kit.path("transcripts.tsv"))) == 9


def test_every_header_of_the_reference_says_that_it_is_contrived() -> None:
    headers = [line for line in (KIT / "reference.fa").read_text().splitlines() if line.startswith(">")]
    assert headers
    assert all("contrived" in header and "not human" in header for header in headers)


@pytest.mark.parametrize("gene", PROTEIN_LENGTHS)
def test_proteins_have_the_real_length_and_one_stop(gene: str) -> None:
    protein = _protein(_coding(gene, CONTIGS))
    assert protein[0] == "M"
    assert protein.index("*") == PROTEIN_LENGTHS[gene] == len(protein) - 1


@pytest.mark.parametrize("row", _rows("hotspots.tsv"), ids=lambda row: f"{row['label']} {row['pos1']}")
def test_hotspots_change_the_protein_as_their_labels_say(row: dict[str, str]) -> None:
    changed = CONTIGS | {row["contig"]: _changed(row["contig"], int(row["pos1"]), row["ref"], row["alt"])}
    before = _protein(_coding(row["gene"], CONTIGS))
    change = row["label"].split(" ")[1]
    if change.startswith("c.3028+"):
        end = _rows("transcripts.tsv")[-1]
        starts, ends = ([int(n) for n in end[key].split(",")] for key in ("exon_starts0", "exon_ends0"))
        assert ends[13] + int(change[7]) == int(row["pos1"])
        assert CONTIGS[row["contig"]][ends[13] : ends[13] + 2] == "GT"
        assert starts[14] > ends[13]
        return
    if len(row["ref"]) == len(row["alt"]):
        after = _protein(_coding(row["gene"], changed))
        (at,) = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
        assert change == f"p.({THREE[before[at]]}{at + 1}{THREE[after[at]]})"
        return
    expected = {
        "p.(Glu746_Ala750del)": before[:745] + before[750:],
        "p.(Leu747_Pro753delinsSer)": before[:746] + "S" + before[753:],
        "p.(Ala767_Val769dup)": before[:769] + before[766:],
        "p.(Asp770_Asn771insGly)": before[:770] + "G" + before[770:],
        "p.(Tyr772_Ala775dup)": before[:775] + before[771:],
    }[change]
    (transcript,) = [one for one in _rows("transcripts.tsv") if one["gene"] == row["gene"]]
    assert transcript["strand"] == "+"
    cds = _coding(row["gene"], CONTIGS)
    exons = list(
        zip(map(int, transcript["exon_starts0"].split(",")), map(int, transcript["exon_ends0"].split(",")), strict=True)
    )
    at = int(row["pos1"]) - 1
    n_before = sum(max(0, min(b, at) - max(a, int(transcript["cds_start0"]))) for a, b in exons)
    mutated = cds[:n_before] + row["alt"] + cds[n_before + len(row["ref"]) :]
    assert _protein(mutated) == expected


def test_hotspots_lie_in_targets_and_are_left_aligned() -> None:
    targets = [line.split("\t") for line in (KIT / "panel.bed").read_text().splitlines()]
    for spot in read_hotspots(KIT / "hotspots.tsv"):
        start, end = spot.pos1 - 1, spot.pos1 - 1 + len(spot.ref)
        assert any(t[0] == spot.contig and int(t[1]) <= start and end <= int(t[2]) for t in targets), spot
        if len(spot.ref) != len(spot.alt) and min(len(spot.ref), len(spot.alt)) == 1:
            assert spot.ref[0] == spot.alt[0]
            assert spot.ref[-1] != spot.alt[-1] or len(spot.ref) > 1 < len(spot.alt)


def test_common_snps_are_silent_and_apart_from_hotspots() -> None:
    spots = [(s.contig, s.pos1) for s in read_hotspots(KIT / "hotspots.tsv")]
    for snp in read_common_snps(KIT / "common_snps.tsv"):
        gene = snp.contig.removeprefix("demo_")
        changed = CONTIGS | {snp.contig: _changed(snp.contig, snp.pos1, snp.ref, snp.alt)}
        assert _protein(_coding(gene, changed)) == _protein(_coding(gene, CONTIGS)), snp
        assert all(contig != snp.contig or abs(pos1 - snp.pos1) >= 5 for contig, pos1 in spots), snp


def test_no_stretch_of_30_bases_stands_twice() -> None:
    seen: set[str] = set()
    n = 0
    for bases in CONTIGS.values():
        both = bases, reverse_complement(bases)
        for i in range(len(bases) - 29):
            seen.add(min(both[0][i : i + 30], both[1][len(bases) - 30 - i : len(bases) - i]))
            n += 1
    assert len(seen) == n


def test_the_demos_positive_control_holds_what_the_kit_expects_of_it() -> None:
    kit = load_kit("ctdna-demo@1.0.0").definition
    (control,) = [s for s in read_design(ROOT / "config/demo/demo.yaml").samples if s.role == "positive_control"]
    planted = {variant.allele: variant.vaf for variant in control.variants}
    spots = {(s.contig, s.pos1, s.ref, s.alt): s.label for s in read_hotspots(KIT / "hotspots.tsv")}
    assert {expected.label for expected in kit.controls.positive} == set(planted)
    for expected in kit.controls.positive:
        assert spots[expected.contig, expected.pos1, expected.ref, expected.alt] == expected.label
        assert expected.vaf_min < planted[expected.label] < expected.vaf_max


def test_knowledge_names_genes_of_the_panel_and_its_source() -> None:
    rows = _rows("knowledge.tsv")
    assert len(rows) >= 30
    assert {row["gene"] for row in rows} <= set(PROTEIN_LENGTHS)
    assert all(row["id"].startswith("CIViC:EID") and row["date"][:2] == "20" for row in rows)
    assert {row["tier"] for row in rows} == {"I", "II"}
