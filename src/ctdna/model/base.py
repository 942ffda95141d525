"""The base of every frozen model."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value that cannot change and knows exactly its own fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, ser_json_inf_nan="constants")


class Text(Frozen):
    """A text in both languages of the product."""

    en: str
    zh: str
