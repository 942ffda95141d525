"""`ctdna consensus-from-fastq`: the short way gives what the long way gives."""

import json
from collections import Counter
from pathlib import Path

import pysam
import pytest

from tests.end_to_end.conftest import KIT, ctdna

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
STRUCTURES = ("--read-structures", "5M2S+T", "5M2S+T")
SETTINGS = ("--strategy", "paired", "--duplex", "--min-reads", "1", "1", "0", "--filter-min-reads", "1", "1", "0")
EQUAL_COUNTS = ("extract", "group", "consensus", "filter")
"""Stages whose counts agree between the two ways."""


CLIP_COUNTS = ("overlapping_bases", "overlapping_bases_changed")
"""Counts of aligned bases that both mates cover: a member of a cluster may keep a base that would have been clipped."""


class Sample:
    """One sample's files: FASTQ, reference, and what the long way made of them."""

    def __init__(self, finished: Path, long_way: Path, name: str) -> None:
        self.name, self.long = name, long_way / "samples" / name
        self.short = finished / "samples" / name
        self.r1, self.r2 = (finished / "fastq" / f"{name}_R{end}.fastq.gz" for end in (1, 2))
        self.reference = Path(json.loads((finished / "config.yaml").read_text())["reference"])

    def options(self) -> list[object]:
        """Return the options that name the inputs."""
        return ["--r1", self.r1, "--r2", self.r2, "--reference", self.reference, "--sample", self.name]


@pytest.fixture(scope="module")
def long_way(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("results") / "long"
    done = ctdna("run", run_folder, "--kit", KIT, "--output", output, "--threads", 2, "--align", "all")
    assert done.returncode in (0, 4), done.stderr
    return output


@pytest.fixture(params=["TINY-P1", "TINY-PC", "TINY-NTC"])
def sample(request: pytest.FixtureRequest, finished: Path, long_way: Path) -> Sample:
    return Sample(finished, long_way, request.param)


def _reads(path: Path) -> Counter[tuple[object, ...]]:
    """Return what the two ways must agree on of each primary record."""
    with pysam.AlignmentFile(str(path)) as stream:
        return Counter(
            (
                read.query_name, read.is_read2, read.reference_name, read.reference_start, read.is_reverse,
                read.cigarstring, read.mapping_quality, read.query_sequence, tuple(read.query_qualities or ()),
                tuple(
                    (name, tuple(value) if hasattr(value, "__len__") and not isinstance(value, str) else value)
                    for name, value in sorted(read.get_tags())
                    if name not in ("XS", "XA", "SA")
                ),
            )
            for read in stream
            if not read.is_secondary and not read.is_supplementary
        )  # fmt: skip


def _counts(folder: Path, stage: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / f"{stage}.json").read_text())
    return found


@pytest.mark.req("REQ-COL-001")
def test_the_short_way_gives_the_long_way_s_reads(sample: Sample) -> None:
    short, long = _reads(sample.short / "filter.bam"), _reads(sample.long / "filter.bam")
    assert sum(short.values()) > 0
    assert short == long


@pytest.mark.req("REQ-COL-001")
def test_the_short_way_gives_the_long_way_s_counts(sample: Sample) -> None:
    for stage in EQUAL_COUNTS:
        short, long = _counts(sample.short, stage), _counts(sample.long, stage)
        for found in (short, long):
            assert isinstance(found["counts"], dict)
            for name in CLIP_COUNTS:
                found["counts"].pop(name, None)
        assert short == long, stage


@pytest.mark.req("REQ-COL-001")
def test_variants_are_the_same(sample: Sample) -> None:
    for name in ("call.vcf.gz", "call.loci.tsv.gz", "annotate.vcf.gz"):
        assert (sample.short / name).read_bytes() == (sample.long / name).read_bytes()


def test_most_reads_are_not_aligned(sample: Sample) -> None:
    collapse, align = _counts(sample.short, "collapse")["counts"], _counts(sample.short, "align")
    assert isinstance(collapse, dict)
    assert isinstance(align["counts"], dict)
    assert collapse["members"] + collapse["representatives"] == align["n_in"] // 2  # type: ignore[operator]
    if sample.name != "TINY-NTC":
        assert align["counts"]["aligned_pairs"] < 0.3 * align["n_in"] / 2  # type: ignore[operator]


def test_threads_and_memory_do_not_change_a_byte(finished: Path, long_way: Path, tmp_path: Path) -> None:
    sample = Sample(finished, long_way, "TINY-P1")
    outputs = []
    for threads, memory in ((1, "2G"), (4, "1G")):
        output = tmp_path / f"{threads}.bam"
        given = [*sample.options(), "--kit", KIT, "--output", output, "--threads", threads, "--max-memory", memory]
        done = ctdna("consensus-from-fastq", *given)
        assert done.returncode == 0, done.stderr
        outputs.append((output.read_bytes(), output.with_name(output.name + ".bai").read_bytes()))
    assert outputs[0] == outputs[1]
    assert outputs[0][0] == (sample.short / "filter.bam").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.bam", "1.bam.bai", "4.bam", "4.bam.bai"]


def test_options_say_what_a_kit_says(finished: Path, long_way: Path, tmp_path: Path) -> None:
    sample = Sample(finished, long_way, "TINY-PC")
    output, counts = tmp_path / "o.bam", tmp_path / "counts"
    given = [*sample.options(), "--output", output, "--metrics-dir", counts, *STRUCTURES, *SETTINGS]
    done = ctdna("consensus-from-fastq", *given)
    assert done.returncode == 0, done.stderr
    stages = ("align", "collapse", "consensus", "extract", "filter", "group", "realign")
    assert sorted(path.stem for path in counts.iterdir()) == list(stages)
    with pysam.AlignmentFile(str(output)) as stream:
        assert stream.header["HD"]["SO"] == "coordinate"
        assert stream.header["RG"][0]["SM"] == sample.name


@pytest.mark.req("REQ-KIT-004")
@pytest.mark.parametrize(
    "more, code, words",
    [
        (("--kit", KIT, "--edits", "3"), 2, "--edits: found 3, but kit"),
        (("--kit", KIT, "--filter-min-reads", "9"), 2, "but kit"),
        (STRUCTURES, 2, "--strategy: no strategy is given"),
        (("--read-structures", "5M2S+T", "--strategy", "paired"), 2, "found 1 for 2 FASTQ files"),
        (
            (*STRUCTURES, "--strategy", "paired", "--max-memory", "600M"),
            2,
            "600M is too little: at least 1024M",
        ),
        ((*STRUCTURES, "--strategy", "paired", "--sample", "a b"), 2, "--sample: found 'a b'"),
    ],
)
def test_contradictions_are_refused(
    finished: Path, long_way: Path, tmp_path: Path, more: tuple[str, ...], code: int, words: str
) -> None:
    sample = Sample(finished, long_way, "TINY-NTC")
    done = ctdna("consensus-from-fastq", *sample.options(), "--output", tmp_path / "o.bam", *more)
    assert done.returncode == code
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_damaged_reads_are_named_and_nothing_is_left(finished: Path, long_way: Path, tmp_path: Path) -> None:
    sample = Sample(finished, long_way, "TINY-P1")
    cut = tmp_path / "cut_R2.fastq.gz"
    cut.write_bytes(sample.r2.read_bytes()[:20_000])
    given = [*sample.options(), "--r2", cut, "--kit", KIT, "--output", tmp_path / "o.bam"]
    done = ctdna("consensus-from-fastq", *given)
    assert done.returncode == 2
    assert "cut_R2.fastq.gz" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["cut_R2.fastq.gz"]


def test_neighbours_of_one_name_are_named(finished: Path, long_way: Path, tmp_path: Path) -> None:
    sample = Sample(finished, long_way, "TINY-P1")
    bases = "ACGTACGTTGCAAGCTTGACCATTGACGGATCAACGTTAC"
    for end, letters in ((1, bases), (2, bases[::-1])):
        text = "".join(f"@r/{end}\n{part}{letters}\n+\n{'F' * 47}\n" for part in ("AAAAACT", "CCCCCCT"))
        (tmp_path / f"{end}.fastq").write_text(text)
    given = [*sample.options(), "--r1", tmp_path / "1.fastq", "--r2", tmp_path / "2.fastq"]
    done = ctdna("consensus-from-fastq", *given, "--kit", KIT, "--output", tmp_path / "o.bam")
    assert done.returncode == 2
    assert "1.fastq: read r: two read pairs have this name; give each a name of its own" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.fastq", "2.fastq"]


def test_no_reads_give_an_empty_file_and_a_warning(finished: Path, long_way: Path, tmp_path: Path) -> None:
    sample = Sample(finished, long_way, "TINY-P1")
    for name in ("1.fastq", "2.fastq"):
        (tmp_path / name).write_text("")
    given = [*sample.options(), "--r1", tmp_path / "1.fastq", "--r2", tmp_path / "2.fastq"]
    done = ctdna("consensus-from-fastq", *given, "--kit", KIT, "--output", tmp_path / "o.bam")
    assert done.returncode == 0, done.stderr
    assert "no consensus read is left" in done.stderr
    with pysam.AlignmentFile(str(tmp_path / "o.bam")) as stream:
        assert list(stream) == []
