"""Parameters of the report."""

from ctdna.model.base import Frozen, Text


class ReportParams(Frozen):
    """Texts and limits that the kit's manufacturer answers for."""

    title: Text
    method: Text
    limitations: tuple[Text, ...]
    languages: tuple[str, ...]
    """Languages rendered, of `en` and `zh`."""
    low_input_ng: float | None = None
    """Less cfDNA than this brings the low-input warning; None: the kit sets no limit, and the report says so."""
    low_vaf: float | None = None
    """Highest VAF below this brings the advice to test tissue; None: only a result without findings brings it."""
