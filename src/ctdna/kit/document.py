"""`kit.yaml` as a frozen definition."""

from pathlib import Path

from ctdna.formats.yaml_files import read_yaml
from ctdna.model.errors import DefinitionError
from ctdna.model.kit import KitDefinition

_HINT = "correct kit.yaml; docs/kit-authoring.md describes every key"


def read_definition(path: Path) -> KitDefinition:
    """Return the definition in a `kit.yaml`; types are strict and every key must be known and filled.

    Raises:
        DefinitionError: the file cannot be read, is not YAML, or does not fit; names the first wrong key, what was
            found and what is allowed.
    """
    return read_yaml(path, KitDefinition, DefinitionError, _HINT, absent="restore the kit's folder")
