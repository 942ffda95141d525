"""BGZF: same bytes for any threads, everything damaged is named."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctdna.formats.bgzf import BLOCK_BYTES, EOF_BLOCK, BgzfWriter, inflate, is_bgzf
from ctdna.model.errors import InputError

CONTENT = np.concatenate(
    [
        np.random.default_rng(1).integers(0, 4, 3_000_000, dtype=np.uint8),
        np.random.default_rng(2).integers(0, 256, 200_000, dtype=np.uint8),
    ]
)


def write(path: Path, content: np.ndarray[tuple[int], np.dtype[np.uint8]], threads: int = 1, level: int = 1) -> Path:
    with BgzfWriter(path, threads, level) as writer:
        for at in range(0, len(content), 777_777):
            writer.write(content[at : at + 777_777])
    return path


def read(path: Path, **settings: int | bool) -> bytes:
    return b"".join(part.tobytes() for part in inflate(path, **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("level", [0, 1, 6])
def test_content_survives_and_bytes_do_not_depend_on_threads(tmp_path: Path, level: int) -> None:
    one, four = write(tmp_path / "1.gz", CONTENT, 1, level), write(tmp_path / "4.gz", CONTENT, 4, level)
    assert one.read_bytes() == four.read_bytes()
    assert gzip.decompress(one.read_bytes()) == CONTENT.tobytes()
    for threads in (1, 4):
        assert read(one, threads=threads, batch_bytes=1 << 20) == CONTENT.tobytes()
    assert is_bgzf(one)
    assert one.read_bytes().endswith(EOF_BLOCK)


def test_pieces_of_any_size_give_the_same_file(tmp_path: Path) -> None:
    with BgzfWriter(tmp_path / "a.gz", level=1) as writer:
        for at in range(0, 300_000, 1_234):
            writer.write(CONTENT[at : at + 1_234][: 300_000 - at].tobytes())
    write(tmp_path / "b.gz", CONTENT[:300_000])
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_an_empty_file_is_the_end_block_alone(tmp_path: Path) -> None:
    with BgzfWriter(tmp_path / "e.gz"):
        pass
    assert (tmp_path / "e.gz").read_bytes() == EOF_BLOCK
    assert list(inflate(tmp_path / "e.gz")) == []


@pytest.mark.req("REQ-ERR-002")
def test_nothing_is_left_of_a_failed_write(tmp_path: Path) -> None:
    def fail() -> None:
        with BgzfWriter(tmp_path / "x.gz", threads=2) as writer:
            writer.write(CONTENT)
            raise KeyError("stopped")

    with pytest.raises(KeyError, match="stopped"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="the folder does not exist; make the folder first"),
        BgzfWriter(tmp_path / "no" / "x.gz"),
    ):
        pass


def test_truncation_is_named(tmp_path: Path) -> None:
    whole = write(tmp_path / "w.gz", CONTENT[:200_000]).read_bytes()
    path = tmp_path / "t.gz"
    for cut in (len(EOF_BLOCK), 5, len(whole) - 30, len(whole) - 10):
        path.write_bytes(whole[:-cut])
        with pytest.raises(InputError, match="truncated"):
            read(path)
    path.write_bytes(whole[: -len(EOF_BLOCK)])
    assert read(path, needs_marker=False) == CONTENT[:200_000].tobytes()
    path.write_bytes(b"")
    with pytest.raises(InputError, match="truncated"):
        read(path)


@pytest.mark.parametrize(
    "at, value, message",
    [
        (0, 0x20, "byte 0: not a BGZF block .wrong magic."),
        (12, 0x20, "gzip, but not BGZF"),
        (16, 0, "BGZF"),
        (100, 0x55, "does not inflate|wrong checksum"),
    ],
)
def test_damage_is_named(tmp_path: Path, at: int, value: int, message: str) -> None:
    content = bytearray(write(tmp_path / "w.gz", CONTENT[:BLOCK_BYTES]).read_bytes())
    content[at] = value
    if at == 16:
        content[17] = 0
    (tmp_path / "d.gz").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "d.gz")


def test_a_wrong_checksum_and_an_impossible_size_are_named(tmp_path: Path) -> None:
    content = bytearray(write(tmp_path / "w.gz", CONTENT[:100]).read_bytes())
    tail = len(content) - len(EOF_BLOCK)
    content[tail - 8] ^= 1
    (tmp_path / "d.gz").write_bytes(content)
    with pytest.raises(InputError, match="byte 0: a BGZF block has a wrong checksum"):
        read(tmp_path / "d.gz")
    content[tail - 4 : tail] = (1 << 20).to_bytes(4, "little")
    (tmp_path / "d.gz").write_bytes(content)
    with pytest.raises(InputError, match="a block of 1048576 bytes, at most 65536"):
        read(tmp_path / "d.gz", threads=2)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.gz: cannot be read: No such file or directory; check the path"):
        read(tmp_path / "none.gz")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_flipped_bytes_never_pass_unseen(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "f.gz"
    content = bytearray(write(path, CONTENT[:3_000]).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        found = read(path)
    except InputError:
        return
    assert found == CONTENT[:3_000].tobytes()
