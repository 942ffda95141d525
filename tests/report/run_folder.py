"""A small finished run on the demo kit: one patient with EGFR p.(Leu858Arg) planted in 8 of 40 molecules."""

from pathlib import Path
from typing import NamedTuple

import pysam

from ctdna.cli.annotate import command as annotate
from ctdna.formats.documents import write_json
from ctdna.formats.kit_tables import read_hotspots
from ctdna.formats.tables import LOCUS_COLUMNS, write_indexed
from ctdna.formats.vcf import header_lines, write_vcf
from ctdna.kit.load import LoadedKit, load_kit
from ctdna.model.manifest import RunManifest
from ctdna.model.qc import ClassVerdict, RunQc, SampleQc, SampleVerdict
from ctdna.model.sample import Sample, Specimen
from ctdna.model.variants import CalledVariant, WhiteCells

from . import builders

KIT = "ctdna-demo@1.0.0"
SAMPLE = "P03-plasma"
N_ALT, N_REF = 8, 32


class Run(NamedTuple):
    folder: Path
    reference: Path
    site: tuple[str, int, str, str]


def _sequences(path: Path) -> dict[str, str]:
    with pysam.FastxFile(str(path)) as stream:
        return {record.name: record.sequence.upper() for record in stream if record.name and record.sequence}


def _specimen() -> Specimen:
    return Specimen(
        diagnosis='Lung <script>alert("1")</script> #strong[x] $x$ \\ & \u202e',
        input_ng=14.0,
        sex="F",
        cfdna_ng_per_ml=7.0,
    )


def _variant(site: tuple[str, int, str, str], **changes: object) -> CalledVariant:
    contig, pos1, ref, alt = site
    variant = CalledVariant(
        contig, pos1, ref, alt, (), "EGFR:exon21", True, "snv", 1e-12, 1e-10, 2e-6, 0.01, 0.02, (),
        40, N_REF, N_ALT, 0.2, 0.1, 0.34, ((20, 4), (8, 2), (2, 1), (2, 1)), (16, 16, 4, 4),
        vaf_estimate=0.2, posterior=0.99999, state="DETECTED",
        origin="tumour", white=WhiteCells(1500, 0, 1500, 0.0, 0.0, 0.0025, 1.0),
    )  # fmt: skip
    return variant._replace(**changes)  # type: ignore[arg-type]


def _locus_lines(kit: LoadedKit, sequences: dict[str, str], site: tuple[str, int, str, str]) -> list[str]:
    hotspots = {(h.contig, h.pos1, h.ref, h.alt): h.label for h in read_hotspots(kit.path("hotspots.tsv"))}
    rows = []
    for line in kit.path("panel.bed").read_text().splitlines():
        contig, start0, end0, target = line.split("\t")
        for pos0 in range(int(start0), int(end0)):
            ref = sequences[contig][pos0]
            rows += [(contig, pos0 + 1, ref, alt, target) for alt in "ACGT" if alt != ref]
    known = {row[:4] for row in rows}
    rows += [(*place, "EGFR:exon19") for place in hotspots if place not in known and place[2] != place[3]]
    lines = ["#" + "\t".join(LOCUS_COLUMNS)]
    order = list(sequences)
    for row in sorted(rows, key=lambda item: (order.index(item[0]), item[1:])):
        contig, pos1, ref, alt, target = row
        state, reason, n_alt = ("DETECTED", ".", N_ALT) if row[:4] == site else ("NOT_DETECTED", ".", 0)
        if target.startswith("KRAS:exon3"):
            state, reason = "NO_CALL", "lod_above_claim"
        label = hotspots.get((contig, pos1, ref, alt), ".")
        fields = [contig, pos1, ref, alt, target, label, 40, 24, 10, 3, 3, n_alt, "2e-06", "0.001", "0.004"]
        lines.append("\t".join([*map(str, fields), state, reason]))
    return lines


def _write_bam(path: Path, sequences: dict[str, str], site: tuple[str, int, str, str]) -> None:
    contig, pos1, _, alt = site
    header = pysam.AlignmentHeader.from_dict(
        {
            "HD": {"VN": "1.6", "SO": "coordinate"},
            "SQ": [{"SN": name, "LN": len(bases)} for name, bases in sequences.items()],
            "PG": [{"ID": "bwa", "PN": "bwa", "VN": "0.7.17"}],
        }
    )
    start0 = pos1 - 1 - 50
    with pysam.AlignmentFile(str(path), "wb", header=header) as stream:
        for i in range(N_ALT + N_REF):
            bases = list(sequences[contig][start0 : start0 + 100])
            if i < N_ALT:
                bases[50] = alt
            for flag in (99, 147):
                read = pysam.AlignedSegment(header)
                read.query_name, read.flag, read.mapping_quality = f"m{i}", flag, 60
                read.reference_name, read.reference_start, read.cigarstring = contig, start0, "100M"
                read.query_sequence = "".join(bases)
                read.query_qualities = pysam.qualitystring_to_array("I" * 100)
                read.set_tag("MI", str(i))
                read.set_tag("aD", 2)
                read.set_tag("bD", 2 if i % 2 else 0)
                stream.write(read)
    pysam.index(str(path))


def _write_documents(folder: Path, kit: LoadedKit) -> None:
    sample = Sample(sample_id=SAMPLE, role="patient", index="A", index2="", lanes=(), specimen=_specimen())
    waiting = Sample(sample_id="P04", role="patient", index="C", index2="", lanes=(), specimen=Specimen())
    manifest = RunManifest(
        align="once",
        run_id="260302_DEMO_0001_AHDEMO",
        instrument="DEMO1",
        flow_cell="HDEMO",
        kit=KIT,
        kit_digest=kit.digest,
        reference=kit.definition.reference.name,
        software="0.1.0",
        samples=(sample, waiting),
        warnings=(),
    )
    qc: SampleQc = builders.sample_qc(kit_digest=kit.digest)
    verdict = SampleVerdict(sample_id=SAMPLE, role="patient", verdict=qc.verdict, classes=qc.classes)
    run_qc = RunQc(
        schema_version=1,
        run_id=manifest.run_id,
        kit=KIT,
        kit_digest=kit.digest,
        verdict="pass",
        figures=(),
        samples=(verdict,),
    )
    (folder / "qc").mkdir()
    write_json(folder / "run.json", manifest)
    write_json(folder / "qc" / f"{SAMPLE}.json", qc)
    write_json(folder / "qc" / "run.json", run_qc)


def fail_class(qc: SampleQc, name: str, reason: object) -> tuple[ClassVerdict, ...]:
    return tuple(
        ClassVerdict(variant_class=item.variant_class, verdict="fail", reasons=(reason,))  # type: ignore[arg-type]
        if item.variant_class == name
        else item
        for item in qc.classes
    )


def make_run(folder: Path) -> Run:
    kit = load_kit(KIT)
    reference = folder / "reference.fa"
    reference.write_bytes(kit.path("reference.fa").read_bytes())
    pysam.faidx(str(reference))
    sequences = _sequences(reference)
    hotspot = next(h for h in read_hotspots(kit.path("hotspots.tsv")) if "Leu858Arg" in h.label and len(h.ref) == 1)
    site = (hotspot.contig, hotspot.pos1, hotspot.ref, hotspot.alt)
    contigs = [(name, len(bases)) for name, bases in sequences.items()]
    out = folder / "samples" / SAMPLE
    out.mkdir(parents=True)
    weak = sequences[site[0]][site[1] + 9]
    other = (site[0], site[1] + 10, weak, "A" if weak != "A" else "C")
    filtered = _variant(
        other, filters=("low_evidence", "oxidation"), n_alt=1, vaf=0.025, vaf_estimate=0.0249, is_hotspot=False
    )
    header = header_lines(contigs, SAMPLE, {}, "ctdna-demo")
    write_vcf(out / "call.vcf.gz", header, [_variant(site), filtered])
    arguments = ["--input", out / "call.vcf.gz", "--reference", reference, "--kit", KIT]
    annotate.main([*map(str, arguments), "--output", str(out / "annotate.vcf.gz")], standalone_mode=False)
    write_indexed(out / "call.loci.tsv.gz", _locus_lines(kit, sequences, site), "locus")
    _write_bam(out / "filter.bam", sequences, site)
    _write_documents(folder, kit)
    return Run(folder, reference, site)
