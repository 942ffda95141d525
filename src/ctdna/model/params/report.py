"""Parameters of the report."""

from ctdna.model.base import Frozen, Text


class ReportParams(Frozen):
    """Texts that the kit's manufacturer answers for."""

    title: Text
    method: Text
    limitations: tuple[Text, ...]
    languages: tuple[str, ...]
    """Languages rendered, of `en` and `zh`."""
