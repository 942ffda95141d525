"""Folders for files of passage and for results."""

from pathlib import Path

import pytest

from ctdna.formats.atomic import make_folder, work_folder
from ctdna.model.errors import InputError


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
        assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_under_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(InputError, match=r"/a/b: a part of the path is a file, not a folder; choose another output"):
        make_folder(tmp_path / "a" / "b")


def test_a_work_folder_goes_with_its_files(tmp_path: Path) -> None:
    with work_folder(tmp_path / "out.bam") as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith(".")
        (folder / "rest.bam").write_text("x")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), work_folder(tmp_path / "out.bam") as folder:
        (folder / "rest.bam").write_text(str(1 // 0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name, message",
    [
        ("missing/out.bam", "the folder does not exist; make the folder first"),
        ("file/out.bam", "a part of the path is a file, not a folder; choose another output folder"),
    ],
)
def test_a_work_folder_where_none_can_be(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=f"{tmp_path / name}: {message}"), work_folder(tmp_path / name):
        raise AssertionError
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
