"""Where the files that ship with the program lie: in a clone, or inside an installed wheel."""

from pathlib import Path

from ctdna.model.errors import DefinitionError

_PACKAGE = Path(__file__).resolve().parents[1]
_CLONE = _PACKAGE.parents[1]


def shipped(name: str) -> Path:
    """Return the folder `workflow`, `pipeline`, `config` or `requirements` that belongs to this build.

    Raises:
        DefinitionError: the folder is in neither place.
    """
    for candidate in (_PACKAGE / "shipped" / name, _CLONE / name):
        if candidate.is_dir():
            return candidate
    raise DefinitionError(
        _PACKAGE, "", f"the folder `{name}` that ships with ctdna is absent", "install ctdna again from its wheel"
    )
