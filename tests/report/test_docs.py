"""The reference of result.json names every field, and the notices' table every rule."""

import re
from pathlib import Path

from pydantic import BaseModel

from ctdna.model import result as models

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_every_field_is_documented() -> None:
    text = (DOCS / "result-json.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`([a-z_0-9]+)`", text))
    classes = [item for item in vars(models).values() if isinstance(item, type) and issubclass(item, BaseModel)]
    own = [item for item in classes if item.__module__ == models.__name__]
    assert own
    assert sorted({name for item in own for name in item.model_fields} - documented) == []


def test_every_notice_is_documented() -> None:
    source = (DOCS.parent / "src" / "ctdna" / "report" / "notices.py").read_text(encoding="utf-8")
    ids = re.findall(r'id="(\w+)"', source)
    text = (DOCS / "stages" / "report.md").read_text(encoding="utf-8")
    assert len(set(ids)) >= 9
    assert [name for name in ids if f"`{name}`" not in text] == []
