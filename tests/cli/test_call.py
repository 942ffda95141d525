import gzip
import hashlib
import json
from pathlib import Path
from xml.etree import ElementTree

import click
import numpy as np
import pysam
import pytest
from click.testing import CliRunner

from ctdna.cli.background import command as background
from ctdna.cli.call import command as call
from ctdna.formats.background_file import read_background, write_background
from ctdna.formats.bam import BamHeader
from ctdna.formats.bed import read_bed
from ctdna.formats.tables import read_loci
from ctdna.formats.vcf import escape, read_vcf
from ctdna.model.errors import CtdnaError, DefinitionError, InputError
from tests.builders import write_bam, write_fasta
from tests.consensus_molecules import CONTIG, CONTIGS, HEADER, REFERENCE, Edit, crowd, flip

pytestmark = pytest.mark.timeout(60)
SNV = Edit(520, REFERENCE[520], flip(REFERENCE[520]))
DELETION = Edit(501, REFERENCE[501:517], REFERENCE[501])


def run(command: click.Command, *args: object) -> None:
    result = CliRunner().invoke(command, [str(arg) for arg in args], catch_exceptions=True)
    if isinstance(result.exception, CtdnaError):
        raise result.exception
    assert result.exit_code == 0, (result.output, result.exception)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_fasta(tmp_path / "ref.fa", {CONTIG: REFERENCE})
    pysam.faidx(str(tmp_path / "ref.fa"))
    (tmp_path / "panel.bed").write_text(f"{CONTIG}\t400\t700\tGENE:1\n")
    write_bam(tmp_path / "s.bam", crowd(1200, 1, [(12, [SNV]), (9, [DELETION])]), HEADER)
    return tmp_path


def inputs(folder: Path) -> list[object]:
    return ["--input", folder / "s.bam", "--reference", folder / "ref.fa", "--targets", folder / "panel.bed"]


def test_call_writes_vcf_loci_and_metrics(folder: Path) -> None:
    out = folder / "o.vcf.gz"
    run(call, *inputs(folder), "--output", out, "--metrics", folder / "o.json", "--claimed-lod", 0.01)
    found = [(v.pos1, v.ref, v.alt, v.n_alt) for v in read_vcf(out) if not v.filters]
    assert found == [
        (DELETION.pos0 + 1, DELETION.ref, DELETION.alt, 9),
        (SNV.pos0 + 1, SNV.ref, SNV.alt, 12),
    ]
    with pysam.VariantFile(str(out)) as stream:
        record = next(iter(stream.fetch(CONTIG, 520, 521)))
        assert record.info["TARGET"] == "GENE:1"
        assert record.samples[0]["AD"][1] == 12
    with pysam.TabixFile(str(folder / "o.loci.tsv.gz")) as table:
        assert len(list(table.fetch(CONTIG, 520, 521))) == 3
    rows = list(read_loci(folder / "o.loci.tsv.gz"))
    assert len(rows) == 900
    assert [r["pos1"] for r in rows if r["state"] == "DETECTED"] == [str(SNV.pos0 + 1)]
    text = gzip.decompress(out.read_bytes()).decode()
    assert str(folder) not in text
    assert "##ctdna_background=research-prior-1" in text


def test_every_field_survives_the_vcf(folder: Path) -> None:
    write_bam(folder / "w.bam", crowd(900, 8, [(3, [DELETION])]), HEADER)
    far = f"{CONTIG}\t1101\tfar\t{REFERENCE[1100]}\t{flip(REFERENCE[1100])}\n"
    (folder / "list.vcf").write_text(f"{CONTIG}\t521\tspot\t{SNV.ref}\t{SNV.alt},{flip(SNV.ref, 2)}\n{far}")
    more = ["--matched-normal", folder / "w.bam", "--force", folder / "list.vcf"]
    out = folder / "o.vcf.gz"
    run(call, *inputs(folder), "--output", out, *more, "--forced-summary", folder / "f.json", "--claimed-lod", 0.01)
    found = {(v.pos1, v.alt): v for v in read_vcf(out)}
    deletion, snv, none = (found[key] for key in ((502, DELETION.alt), (521, SNV.alt), (521, flip(SNV.ref, 2))))
    far_off = found[1101, flip(REFERENCE[1100])]
    assert (deletion.origin, deletion.is_forced, deletion.identifier, deletion.state) == (
        "unresolved" if not deletion.filters else "chip", False, ".", "DETECTED",
    )  # fmt: skip
    assert deletion.white is not None
    assert (deletion.white.n_alt, deletion.white.depth) == (3, deletion.white.n_ref + 3)
    assert (snv.origin, snv.is_forced, snv.identifier, snv.state, snv.reason) == (
        "tumour",
        True,
        "spot",
        "DETECTED",
        ".",
    )
    assert snv.vaf == pytest.approx(snv.n_alt / snv.depth, rel=1e-5)
    assert snv.vaf_low < snv.vaf_estimate < snv.vaf_high
    assert snv.posterior > 0.999
    assert (none.n_alt, none.state, none.vaf_estimate) == (0, "NOT_DETECTED", 0.0)
    assert (far_off.state, far_off.reason, far_off.depth, far_off.white) == ("NO_CALL", "off_panel", 0, None)
    summary = json.loads((folder / "f.json").read_text())
    assert (summary["n_listed"], summary["n_used"], summary["alt_molecules"]) == (3, 2, 12)
    assert summary["is_detected"] is True
    assert [item["reason"] for item in summary["left_out"]] == ["off_panel"]


def test_alleles_listed_twice_are_warned_of(folder: Path) -> None:
    line = f"{CONTIG}\t521\tspot\t{SNV.ref}\t{SNV.alt}\n"
    (folder / "list.vcf").write_text(line * 2)
    args = [*inputs(folder), "--output", folder / "o.vcf.gz", "--force", folder / "list.vcf"]
    result = CliRunner().invoke(call, [str(arg) for arg in args])
    assert result.exit_code == 0
    assert f"warning: list.vcf: line 2, {CONTIG}:521: {SNV.ref}>{SNV.alt} stands there again" in result.stderr


def test_options_that_need_each_other(folder: Path) -> None:
    out = ["--output", folder / "o.vcf.gz"]
    with pytest.raises(InputError, match="--forced-summary: there is no list of alleles"):
        run(call, *inputs(folder), *out, "--forced-summary", folder / "f.json")
    with pytest.raises(InputError, match="--matched-normal: is the sample's own BAM"):
        run(call, *inputs(folder), *out, "--matched-normal", folder / "s.bam")
    (folder / "list.vcf").write_text(f"{CONTIG}\t521\t.\t{flip(SNV.ref)}\t{SNV.ref}\n")
    with pytest.raises(InputError, match=r"list\.vcf: line 1, chrT:521: REF is ., the reference has . there"):
        run(call, *inputs(folder), *out, "--force", folder / "list.vcf")
    (folder / "list.vcf").write_text("##fileformat=VCFv4.3\n")
    with pytest.raises(InputError, match=r"list\.vcf: lists no allele"):
        run(call, *inputs(folder), *out, "--force", folder / "list.vcf")


def test_positions_without_a_reference_base_are_counted_and_warned_of(folder: Path) -> None:
    write_fasta(folder / "ref.fa", {CONTIG: REFERENCE[:600] + "YN" + REFERENCE[602:]})
    pysam.faidx(str(folder / "ref.fa"))
    paths = ["--output", folder / "o.vcf.gz", "--metrics", folder / "o.json"]
    result = CliRunner().invoke(call, [str(arg) for arg in (*inputs(folder), *paths)])
    assert result.exit_code == 0
    assert "warning: 2 panel position(s) whose reference base is none of A, C, G, T are not tested" in result.stderr
    counts = json.loads((folder / "o.json").read_text())["counts"]
    assert (counts["sites"], counts["sites_without_reference"]) == (298, 2)
    assert {row["pos1"] for row in read_loci(folder / "o.loci.tsv.gz")}.isdisjoint({"601", "602"})


def test_depth_equals_the_molecules_of_a_pileup(folder: Path) -> None:
    run(call, *inputs(folder), "--output", folder / "o.vcf.gz")
    pysam.sort("-o", str(folder / "sorted.bam"), str(folder / "s.bam"))
    pysam.index(str(folder / "sorted.bam"))
    depths = {int(row["pos1"]): int(row["depth"]) for row in read_loci(folder / "o.loci.tsv.gz")}
    with pysam.AlignmentFile(str(folder / "sorted.bam")) as bam:
        columns = bam.pileup(CONTIG, 400, 700, truncate=True, stepper="all", min_base_quality=0, max_depth=10**6)
        seen = {
            column.reference_pos + 1: len({p.alignment.query_name for p in column.pileups if not p.is_del})
            for column in columns
        }
    assert depths == {pos1: seen.get(pos1, 0) for pos1 in range(401, 701)}


@pytest.mark.req("REQ-REP-003")
def test_same_bytes_for_any_threads_and_order(folder: Path) -> None:
    reads = crowd(1200, 1, [(12, [SNV]), (9, [DELETION])])
    digests = []
    for threads in (1, 2):
        write_bam(folder / "s.bam", reads[:: 1 if threads == 1 else -1], HEADER)
        run(call, *inputs(folder), "--output", folder / "o.vcf.gz", "--threads", threads)
        names = ("o.vcf.gz", "o.vcf.gz.tbi", "o.loci.tsv.gz", "o.loci.tsv.gz.tbi")
        digests.append([hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names])
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no target"),
        ("chrT\t1\n", "line 1: found 2 columns, expected at least 3"),
        ("chrX\t1\t5\n", "line 1: contig chrX is not in the reference"),
        ("chrT\t1\tx\n", "line 1: found 1 to x, expected whole numbers"),
        ("#h\nchrT\t5\t5\n", "line 2: found 5 to 5, chrT runs from 0 to 1200"),
        ("chrT\t5\t1201\n", "line 1: found 5 to 1201, chrT runs from 0 to 1200"),
    ],
)
def test_bad_panel(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "p.bed"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_bed(path, CONTIGS)


def test_panel_names_and_order(tmp_path: Path) -> None:
    path = tmp_path / "p.bed"
    path.write_bytes(b"\xef\xbb\xbftrack x\r\nchrT 50 60\r\nchrT 5 9 first\r\n")
    targets = read_bed(path, CONTIGS)
    assert targets.names == ("first", "chrT:51-60")
    assert targets.start0.tolist() == [5, 50]
    with pytest.raises(InputError, match="cannot be read"):
        read_bed(tmp_path / "absent.bed", CONTIGS)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not text"):
        read_bed(path, CONTIGS)


def test_bad_inputs_are_named(folder: Path) -> None:
    out = ["--output", folder / "o.vcf.gz"]
    with pytest.raises(InputError, match="--targets: no panel is given"):
        run(call, "--input", folder / "s.bam", "--reference", folder / "ref.fa", *out)
    (folder / "cut.bam").write_bytes((folder / "s.bam").read_bytes()[:-400])
    with pytest.raises(InputError, match=r"cut\.bam"):
        run(call, "--input", folder / "cut.bam", *inputs(folder)[2:], *out)
    write_bam(folder / "none.bam", [], BamHeader.of_contigs(()))
    with pytest.raises(InputError, match="names no contig"):
        run(call, "--input", folder / "none.bam", *inputs(folder)[2:], *out)
    write_fasta(folder / "wrong.fa", {CONTIG: REFERENCE[:-1]})
    pysam.faidx(str(folder / "wrong.fa"))
    with pytest.raises(InputError, match=r"contig chrT has 1200 bases, in the reference wrong\.fa 1199"):
        run(call, *inputs(folder)[:2], "--reference", folder / "wrong.fa", *inputs(folder)[4:], *out)
    with pytest.raises(InputError, match="the folder does not exist"):
        run(call, *inputs(folder), "--output", folder / "absent" / "o.vcf.gz")
    assert not list(folder.glob("o.*"))


def test_several_samples_need_a_name(folder: Path) -> None:
    text = HEADER.text + "@RG\tID:a\tSM:one\n@RG\tID:b\tSM:two\n"
    write_bam(folder / "s.bam", crowd(20, 1), BamHeader(text, CONTIGS))
    with pytest.raises(InputError, match="holds 2 samples"):
        run(call, *inputs(folder), "--output", folder / "o.vcf.gz")
    run(call, *inputs(folder), "--output", folder / "o.vcf.gz", "--sample", "two")
    with pysam.VariantFile(str(folder / "o.vcf.gz")) as stream:
        assert list(stream.header.samples) == ["two"]


def normals(folder: Path, n: int = 3) -> list[Path]:
    return [
        write_bam(folder / f"n{i}.bam", crowd(800, 50 + i, [(400, [SNV])] if i == 0 else ()), HEADER) for i in range(n)
    ]


def train(folder: Path, *more: object) -> Path:
    path = folder / "bg.gz"
    run(background, "--normals", *normals(folder), *inputs(folder)[2:], "--output", path, *more)
    return path


def test_background_is_trained_bound_and_used(folder: Path) -> None:
    path = train(folder)
    trained = read_background(path)
    assert trained.n_donors == 3
    assert trained.site_k.sum() == 0, "a donor's germline allele is no error"
    first = path.read_bytes()
    assert train(folder).read_bytes() == first
    run(call, *inputs(folder), "--output", folder / "o.vcf.gz", "--background", path)
    assert [v.n_alt for v in read_vcf(folder / "o.vcf.gz") if not v.filters] == [9, 12]
    assert "##ctdna_background=trained on 3 donors" in gzip.decompress((folder / "o.vcf.gz").read_bytes()).decode()


@pytest.mark.req("REQ-BKG-005")
def test_background_of_another_panel_or_rule_is_refused(folder: Path) -> None:
    path = train(folder)
    out = ["--output", folder / "o.vcf.gz", "--background", path]
    with pytest.raises(DefinitionError, match="min_mapq: it was trained at 20, this call uses 21"):
        run(call, *inputs(folder), *out, "--min-mapq", 21)
    (folder / "panel.bed").write_text(f"{CONTIG}\t400\t701\tGENE:1\n")
    with pytest.raises(DefinitionError, match=r"bg\.gz: panel: it was trained on another panel"):
        run(call, *inputs(folder), *out)


@pytest.mark.req("REQ-BKG-005")
def test_damaged_background_is_refused(folder: Path) -> None:
    path = train(folder)
    text = gzip.decompress(path.read_bytes()).decode()
    for content, kind, message in (
        (b"no gzip", InputError, "is cut off, damaged or no background"),
        (path.read_bytes()[:50], InputError, "is cut off"),
        (gzip.compress(b"hello\n"), InputError, "line 1: holds no digest"),
        (gzip.compress(text.replace('"n_donors": 3', '"n_donors": 9').encode()), DefinitionError, "was changed"),
        (gzip.compress(f"#sha256={hashlib.sha256(b'{}').hexdigest()}\n{{}}".encode()), InputError, "no background of"),
    ):
        path.write_bytes(content)
        with pytest.raises(kind, match=message):
            read_background(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_background(folder / "absent")


def test_background_needs_molecules_and_distinct_donors(folder: Path) -> None:
    empty = write_bam(folder / "e.bam", [], HEADER)
    more = [*inputs(folder)[2:], "--output", folder / "bg.gz"]
    with pytest.raises(InputError, match="no molecule of the normals lies on a target"):
        run(background, "--normals", empty, *more, "--min-covered-share", 0)
    with pytest.raises(InputError, match=r"e\.bam: its molecules cover 0\.0% of the panel, expected 50\.0% or more"):
        run(background, "--normals", empty, *more)
    with pytest.raises(InputError, match="a BAM is named twice"):
        run(background, "--normals", empty, empty, *more)
    first = normals(folder, 1)
    other = write_bam(folder / "o.bam", [], BamHeader.of_contigs((("chrU", 5),)))
    with pytest.raises(InputError, match="its contigs differ"):
        run(background, "--normals", *first, other, *more)
    copy = write_bam(folder / "copy.bam", crowd(800, 50, [(400, [SNV])])[::-1], HEADER)
    with pytest.raises(InputError, match=r"copy\.bam: holds the same molecules as n0\.bam"):
        run(background, "--normals", *first, copy, *more)


def test_old_backgrounds_are_refused(folder: Path) -> None:
    content = '{"format": "ctdna-background-1"}\n#\n'
    digest = hashlib.sha256(content.encode()).hexdigest()
    path = folder / "old.gz"
    path.write_bytes(gzip.compress(f"#sha256={digest}\n{content}".encode()))
    with pytest.raises(InputError, match=r"found ctdna-background-1, expected ctdna-background-2; train it anew"):
        read_background(path)


def test_background_is_read_as_it_was_written(folder: Path) -> None:
    trained = read_background(train(folder, "--instrument", "NovaSeq 6000", "--clonal-p", 1e-5))
    again = folder / "again.gz"
    assert write_background(again, trained) == write_background(folder / "bg.gz", trained)
    for name, value in trained._asdict().items():
        got = getattr(read_background(again), name)
        assert np.array_equal(value, got) if isinstance(value, np.ndarray) else value == got, name
    assert trained.facts == {"instrument": "NovaSeq 6000"}
    assert trained.params["clonal_p"] == 1e-5
    assert trained.site_donors.shape == (300, 4)
    assert trained.site_donors.sum() == 0, "a donor's germline allele is no allele of the panel of normals"


def test_calibration_is_written_as_table_plot_header_and_metrics(folder: Path) -> None:
    paths = [folder / name for name in ("c.tsv", "c.svg", "m.json")]
    options = ["--calibration", paths[0], "--calibration-plot", paths[1], "--metrics", paths[2]]
    trained = read_background(train(folder, *options))
    lines = paths[0].read_text().splitlines()
    assert lines[0] == "#donors held out, one by one: 3"
    rows = [dict(zip(lines[1].split("\t"), line.split("\t"), strict=True)) for line in lines[2:]]
    assert len(rows) == 10 * 6
    whole = [row for row in rows if row["tests"] == "substitutions"]
    assert [float(row["expected"]) for row in whole] == pytest.approx(
        [int(row["n_tests"]) * float(row["level"]) for row in whole], rel=1e-5
    )
    assert int(whole[0]["n_tests"]) == 3 * 900 - 1, "one germline allele is no test"
    drawing = ElementTree.fromstring(paths[1].read_text())
    assert drawing.tag.endswith("svg")
    assert len([item for item in drawing if item.tag.endswith("circle")]) > 20
    values = json.loads(paths[2].read_text())["values"]
    assert trained.calibration["calibration_donors"] == values["calibration_donors"] == 3
    assert trained.calibration["substitutions_tests"] == 2699


@pytest.mark.req("REQ-BKG-006")
def test_few_normals_are_warned_of_and_not_held_out(folder: Path) -> None:
    args = ["--normals", *normals(folder, 2), *inputs(folder)[2:], "--output", folder / "bg.gz"]
    args += ["--calibration-plot", folder / "c.svg"]
    result = CliRunner().invoke(background, [str(arg) for arg in args])
    assert result.exit_code == 0
    assert "warning: 2 donors; 20 or more are advised, fewer cost power" in result.stderr
    assert read_background(folder / "bg.gz").calibration == {}
    assert "Too few normals to hold one out." in (folder / "c.svg").read_text()


@pytest.mark.req("REQ-BKG-006")
def test_normals_of_two_sequencers_are_refused_unless_named(folder: Path) -> None:
    bams = []
    for i, model in enumerate(("NovaSeq 6000", "NextSeq 550")):
        header = BamHeader(HEADER.text + f"@RG\tID:a\tSM:s{i}\tPM:{model}\n", CONTIGS)
        bams.append(write_bam(folder / f"n{i}.bam", crowd(500, 50 + i), header))
    more = [*inputs(folder)[2:], "--output", folder / "bg.gz"]
    what = r"n0\.bam: header: its reads come from NovaSeq 6000, those of n1\.bam from NextSeq 550"
    with pytest.raises(InputError, match=what):
        run(background, "--normals", *bams, *more)
    run(background, "--normals", bams[0], *more)
    assert read_background(folder / "bg.gz").facts == {"instrument": "NovaSeq 6000"}
    run(background, "--normals", *bams, *more, "--instrument", "both")
    assert read_background(folder / "bg.gz").facts == {"instrument": "both"}


def test_reads_of_another_sequencer_than_the_background_s_are_warned_of(folder: Path) -> None:
    path = train(folder, "--instrument", "NovaSeq 6000")
    for model, is_warned in (("NovaSeq 6000", False), ("NextSeq 550", True)):
        header = BamHeader(HEADER.text + f"@RG\tID:a\tSM:s\tPM:{model}\n", CONTIGS)
        write_bam(folder / "s.bam", crowd(300, 3), header)
        args = [*inputs(folder), "--output", folder / "o.vcf.gz", "--background", path]
        said = CliRunner().invoke(call, [str(arg) for arg in args]).stderr
        what = "warning: s.bam: its reads come from NextSeq 550, the background from NovaSeq 6000"
        assert (what in said) == is_warned


@pytest.mark.req("REQ-KIT-004")
def test_options_that_contradict_the_kit_are_refused(folder: Path) -> None:
    args = [*inputs(folder)[:4], "--output", folder / "o.vcf.gz", "--kit", "ctdna-demo@1.0.0"]
    with pytest.raises(InputError, match=r"--min-mapq: found 3, but kit ctdna-demo@1\.0\.0 sets"):
        run(call, *args, "--min-mapq", 3)
    with pytest.raises(InputError, match=r"--targets: found panel\.bed, but kit ctdna-demo@1\.0\.0 has its own"):
        run(call, *args, "--targets", folder / "panel.bed")


def test_not_a_locus_table_or_vcf(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"a\tb\n"))
    with pytest.raises(InputError, match="is not a locus table"):
        list(read_loci(path))
    with pytest.raises(InputError, match="cannot be read"):
        list(read_loci(tmp_path / "absent"))
    with pytest.raises(InputError, match="cannot be read"):
        list(read_vcf(tmp_path / "absent"))


def test_escapes() -> None:
    assert escape("a;b=c,d%e f") == "a%3Bb%3Dc%2Cd%25e%20f"
