"""Streams of many blocks that break late, after work has begun: code 2, one line, and no file, not even in part."""

import gzip
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders_bcl import EOF_BLOCK, encode_bgzf
from tests.end_to_end.world import World, make_world, refused

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
STAGES = ("group", "consensus", "filter")
BLOCK = 60_000
_LATE = 0.8
"""Where the damage lies, as a share of the file."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return inputs of every stage that take many blocks."""
    return make_world(tmp_path_factory.mktemp("large"), 1500)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def blocks(content: bytes) -> Iterator[bytes]:
    """Yield the BGZF blocks of a file."""
    at = 0
    while at < len(content):
        size = struct.unpack_from("<H", content, at + 16)[0] + 1
        yield content[at : at + size]
        at += size


def _late_block(content: bytes) -> tuple[list[bytes], int]:
    found = list(blocks(content))
    assert len(found) > 5
    return found, int(_LATE * len(found))


def cut_in_a_block(content: bytes) -> bytes:
    return content[: int(_LATE * len(content))]


def cut_between_blocks(content: bytes) -> bytes:
    found, k = _late_block(content)
    return b"".join(found[:k])


def ends_in_a_record(content: bytes) -> bytes:
    """Return sound blocks whose content ends within a record."""
    return encode_bgzf(gzip.decompress(content)[:-10], BLOCK)


def flipped(content: bytes) -> bytes:
    found, k = _late_block(content)
    block = bytearray(found[k])
    block[len(block) // 2] ^= 0x40
    return b"".join([*found[:k], bytes(block), *found[k + 1 :]])


def without_a_block(content: bytes) -> bytes:
    """Return blocks that are all sound, of which one is lost: records no longer join."""
    found, k = _late_block(content)
    return b"".join(found[:k] + found[k + 1 :])


def wrong_size(content: bytes) -> bytes:
    """Return sound blocks in which a late record claims to be longer than the file."""
    plain = bytearray(gzip.decompress(content))
    starts = list(record_starts(bytes(plain)))
    struct.pack_into("<i", plain, starts[int(_LATE * len(starts))], 1 << 30)
    return encode_bgzf(bytes(plain), BLOCK)


def negative_size(content: bytes) -> bytes:
    plain = bytearray(gzip.decompress(content))
    starts = list(record_starts(bytes(plain)))
    struct.pack_into("<i", plain, starts[int(_LATE * len(starts))], -5)
    return encode_bgzf(bytes(plain), BLOCK)


def rubbish_at_the_end(content: bytes) -> bytes:
    return content + b"rubbish after the last block"


def record_starts(plain: bytes) -> Iterator[int]:
    """Yield where each record of an inflated BAM starts."""
    at = 8 + struct.unpack_from("<i", plain, 4)[0]
    n_contigs = struct.unpack_from("<i", plain, at)[0]
    at += 4
    for _ in range(n_contigs):
        at += 8 + struct.unpack_from("<i", plain, at)[0]
    while at < len(plain):
        yield at
        at += 4 + struct.unpack_from("<i", plain, at)[0]


BAM_HARMS = (
    cut_in_a_block,
    cut_between_blocks,
    ends_in_a_record,
    flipped,
    without_a_block,
    wrong_size,
    negative_size,
    rubbish_at_the_end,
)


@pytest.mark.req("REQ-ERR-003")
@pytest.mark.parametrize("harm", BAM_HARMS)
@pytest.mark.parametrize("stage", STAGES)
def test_bam_that_breaks_late(
    large: World, tmp_path: Path, out: Path, stage: str, harm: Callable[[bytes], bytes]
) -> None:
    words = large.command(stage, large.folder)
    source = Path(str(words[2]))
    path = tmp_path / "in.bam"
    path.write_bytes(harm(source.read_bytes()))
    for threads in (1, 2):
        refused(out, large.command(stage, out, input=path, threads=threads), 2, str(path))


def gzip_cut(content: bytes) -> bytes:
    packed = gzip.compress(content, 1)
    return packed[: int(_LATE * len(packed))]


def gzip_tail_lost(content: bytes) -> bytes:
    """Return gzip without its last four bytes, the length."""
    return gzip.compress(content, 1)[:-4]


def gzip_flipped(content: bytes) -> bytes:
    packed = bytearray(gzip.compress(content, 1))
    packed[int(_LATE * len(packed))] ^= 0x04
    return bytes(packed)


def gzip_second_member_cut(content: bytes) -> bytes:
    half = len(content) // 2
    return gzip.compress(content[:half], 1) + gzip.compress(content[half:], 1)[:-40]


def gzip_record_cut(content: bytes) -> bytes:
    """Return sound gzip whose text ends within a record."""
    return gzip.compress(content[:-50], 1)


def gzip_line_lost(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    del lines[int(_LATE * len(lines))]
    return gzip.compress(b"".join(lines), 1)


def gzip_zeros_within(content: bytes) -> bytes:
    at = int(_LATE * len(content))
    return gzip.compress(content[:at] + bytes(200) + content[at + 200 :], 1)


def bgzf_cut(content: bytes) -> bytes:
    return cut_in_a_block(encode_bgzf(content, BLOCK))


def bgzf_block_lost(content: bytes) -> bytes:
    return without_a_block(encode_bgzf(content, BLOCK))


FASTQ_HARMS = (
    gzip_cut,
    gzip_tail_lost,
    gzip_flipped,
    gzip_second_member_cut,
    gzip_record_cut,
    gzip_line_lost,
    gzip_zeros_within,
    bgzf_cut,
    bgzf_block_lost,
)


@pytest.mark.req("REQ-ERR-003")
@pytest.mark.parametrize("harm", FASTQ_HARMS)
@pytest.mark.parametrize(
    "stage, option", [("extract", "r1"), ("extract", "r2"), ("align", "r2"), ("consensus-from-fastq", "r2")]
)
def test_fastq_that_breaks_late(
    large: World, tmp_path: Path, out: Path, stage: str, option: str, harm: Callable[[bytes], bytes]
) -> None:
    words = large.command(stage, large.folder)
    source = Path(str(words[words.index(f"--{option}") + 1]))
    path = tmp_path / "reads.fastq.gz"
    path.write_bytes(harm(gzip.decompress(source.read_bytes())))
    refused(out, large.command(stage, out, **{option: path}), 2, ".fastq.gz: ")


@pytest.mark.req("REQ-ERR-003")
@settings(
    max_examples=12,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(at=st.floats(0.02, 0.999), stage=st.sampled_from(STAGES))
def test_bam_cut_anywhere(large: World, tmp_path: Path, at: float, stage: str) -> None:
    words = large.command(stage, large.folder)
    content = Path(str(words[2])).read_bytes()
    path, made = tmp_path / "in.bam", tmp_path / "made"
    made.mkdir(exist_ok=True)
    path.write_bytes(content[: int(at * len(content))])
    refused(made, large.command(stage, made, input=path), 2, str(path))


def test_the_harms_change_the_content(large: World) -> None:
    bam = (large / "group.bam").read_bytes()
    assert bam.endswith(EOF_BLOCK)
    assert b"".join(blocks(bam)) == bam
    assert all(harm(bam) != bam for harm in BAM_HARMS)
    text = gzip.decompress((large / "r1.fastq.gz").read_bytes())
    assert all(harm(text) != gzip.compress(text, 1) for harm in FASTQ_HARMS)
