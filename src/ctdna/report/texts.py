"""The words of the report in both languages; one key, one pair."""

from typing import Literal

from ctdna.model.base import Text
from ctdna.report.texts_codes import CODES
from ctdna.report.texts_evidence import EVIDENCE
from ctdna.report.texts_knowledge import KNOWLEDGE
from ctdna.report.texts_layout import LAYOUT
from ctdna.report.texts_sign_off import SIGN_OFF
from ctdna.report.texts_trace import TRACE

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
_TEXTS = LAYOUT | CODES | KNOWLEDGE | EVIDENCE | SIGN_OFF | TRACE


def text(key: str, **values: object) -> Text:
    """Return the words of a key in both languages, with its fields filled in.

    Raises:
        KeyError: no such key; keys are the program's own.
    """
    en, zh = _TEXTS[key]
    return Text(en=en.format(**values), zh=zh.format(**values))


def words(language: Language, key: str, **values: object) -> str:
    """Return the words of a key in one language.

    Raises:
        KeyError: no such key; keys are the program's own.
    """
    return _TEXTS[key][LANGUAGES.index(language)].format(**values)


def pick(language: Language, both: Text) -> str:
    """Return one language of a text."""
    return both.en if language == "en" else both.zh


def code(language: Language, group: str, name: str) -> str:
    """Return the words of a code that another stage wrote; a code without words is shown as it stands."""
    key = f"{group}.{name}"
    return words(language, key) if key in _TEXTS else name
