"""Archives of one form only: others read them, and every byte of their headers is held to."""

import io
import random
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctdna.formats.stored_zip import chunks_of, read_members, write_zip
from ctdna.model.errors import DefinitionError, InputError

CONTENTS = {"a.json": b"{}\n", "b/empty": b"", "b/large.bin": bytes(range(256)) * 40, "c-é.txt": b"text"}
SMALL = 20
"""From this size on these tests write 64-bit sizes."""


def archive_of(path: Path, contents: dict[str, bytes], limit: int | None = None) -> Path:
    with write_zip(path, *([limit] if limit else [])) as archive:
        for name, content in sorted(contents.items()):
            archive.add(name, iter([content[:7], content[7:]]), len(content))
    return path


def read_back(path: Path, limit: int | None = None) -> dict[str, bytes]:
    found = {}
    with path.open("rb") as stream:
        for member in read_members(path, *([limit] if limit else [])):
            stream.seek(member.start(*([limit] if limit else [])))
            found[member.name] = b"".join(chunks_of(stream, member.size))
    return found


@pytest.mark.parametrize("limit", [None, SMALL])
def test_pythons_reader_agrees(tmp_path: Path, limit: int | None) -> None:
    path = archive_of(tmp_path / "a.zip", CONTENTS, limit)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENTS
    assert read_back(path, limit) == CONTENTS


@pytest.mark.parametrize("limit", [None, SMALL])
def test_unzip_agrees(tmp_path: Path, limit: int | None) -> None:
    if shutil.which("unzip") is None:
        pytest.skip("unzip is not installed")
    path = archive_of(tmp_path / "a.zip", CONTENTS, limit)
    said = subprocess.run(["unzip", "-tqq", str(path)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout


def test_an_empty_archive(tmp_path: Path) -> None:
    assert read_back(archive_of(tmp_path / "a.zip", {})) == {}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(contents=st.dictionaries(st.text("abc/é", min_size=1, max_size=6), st.binary(max_size=60), max_size=5))
def test_what_is_written_is_read(tmp_path: Path, contents: dict[str, bytes]) -> None:
    path = archive_of(tmp_path / "a.zip", contents, SMALL)
    assert read_back(path, SMALL) == contents


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = archive_of(tmp_path / "1.zip", CONTENTS), archive_of(tmp_path / "2.zip", CONTENTS)
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.req("REQ-BDL-004")
def test_every_changed_byte_of_a_header_is_found(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.zip", CONTENTS)
    content = path.read_bytes()
    inside = {at for member in read_members(path) for at in range(member.start(), member.start() + member.size)}
    rng = random.Random(5)
    for at in sorted(set(range(len(content))) - inside):
        changed = bytearray(content)
        changed[at] ^= rng.randrange(1, 256)
        path.write_bytes(changed)
        with pytest.raises(DefinitionError):
            read_members(path)


def test_every_cut_is_found(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.zip", {"a": b"one", "b": b"two"})
    content = path.read_bytes()
    for end in range(len(content)):
        path.write_bytes(content[:end])
        with pytest.raises(DefinitionError):
            read_members(path)


@pytest.mark.req("REQ-BDL-004")
@pytest.mark.parametrize(
    ("before", "behind", "says"),
    [
        (b"MZ self-extracting", b"", "its directory is"),
        (b"", b"behind", "something stands behind"),
        (b"", b"\0" * 22, "something stands behind"),
    ],
)
def test_data_before_and_behind(tmp_path: Path, before: bytes, behind: bytes, says: str) -> None:
    path = archive_of(tmp_path / "a.zip", CONTENTS)
    path.write_bytes(before + path.read_bytes() + behind)
    with pytest.raises(DefinitionError, match=f"archive: .*{says}"):
        read_members(path)


def python_zip(path: Path, entries: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return path


@pytest.mark.req("REQ-BDL-004")
def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = python_zip(tmp_path / "a.zip", [("a.json", b"\0" * 5_000_000)], zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10_000
    with pytest.raises(DefinitionError, match="member 1 is compressed: bundles are stored"):
        read_members(path)


@pytest.mark.req("REQ-BDL-004")
def test_an_encrypted_member(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.zip", {"a": b"one"})
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\x01\x02")
    content[central + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DefinitionError, match="member 1 is encrypted"):
        read_members(path)


@pytest.mark.req("REQ-BDL-004")
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice(tmp_path: Path) -> None:
    path = python_zip(tmp_path / "a.zip", [("a", b"one"), ("a", b"two")])
    with pytest.raises(DefinitionError, match="member 'a' stands out of order or twice"):
        read_members(path)


def test_an_archive_of_another_program(tmp_path: Path) -> None:
    path = python_zip(tmp_path / "a.zip", [("a", b"one")])
    with pytest.raises(DefinitionError, match="is not as the directory says"):
        read_members(path)


@pytest.mark.req("REQ-BDL-004")
def test_members_that_overlap(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.zip", {"a": b"one", "b": b"two"})
    content = bytearray(path.read_bytes())
    second = content.rindex(b"PK\x01\x02")
    struct.pack_into("<I", content, second + 42, 0)
    path.write_bytes(content)
    with pytest.raises(DefinitionError, match="member 'b' does not begin where the one before ends"):
        read_members(path)


def test_claims_of_a_huge_directory(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.zip", {"a": b"one"}, 1)
    content = path.read_bytes()
    at = content.index(b"PK\x06\x06")
    path.write_bytes(content[: at + 32] + struct.pack("<Q", 1 << 60) + content[at + 40 :])
    with pytest.raises(DefinitionError, match="its directory is damaged"):
        read_members(path, 1)


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.zip", {"a": b"one"})
    path.write_bytes(path.read_bytes().replace(b"\x00\x00a", b"\x00\x00\xff"))
    with pytest.raises(DefinitionError, match=r"the name of member 1 is no UTF-8|is damaged"):
        read_members(path)


def test_no_archive(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"text")
    with pytest.raises(DefinitionError, match="is no ZIP archive: too short"):
        read_members(tmp_path / "a.zip")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_members(tmp_path / "b.zip")


def test_a_file_that_changes_while_it_is_added(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="has 3 bytes, expected 5; it changed"),
        write_zip(tmp_path / "a.zip") as archive,
    ):
        archive.add("a", iter([b"one"]), 5)
    assert list(tmp_path.iterdir()) == []


def test_members_out_of_order(tmp_path: Path) -> None:
    with write_zip(tmp_path / "a.zip") as archive:
        archive.add("b", iter([b"one"]), 3)
        with pytest.raises(InputError, match="comes out of order or twice"):
            archive.add("a", iter([b"one"]), 3)


def test_blocks_end_with_the_stream() -> None:
    assert b"".join(chunks_of(io.BytesIO(b"abcdef"), 4)) == b"abcd"
    assert b"".join(chunks_of(io.BytesIO(b"abc"), 9)) == b"abc"
