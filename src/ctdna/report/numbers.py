"""Figures as a person reads them."""

from ctdna.report.texts import Language


def percent(value: float | None, language: Language) -> str:
    """Return a fraction in per cent: one decimal from 10 % on, two from 0.1 % on, two significant digits below.

    A missing value is a dash.
    """
    if value is None:
        return "–"
    share = 100 * value
    if share >= 99.95:
        body = "100"
    elif share >= 10:
        body = f"{share:.1f}"
    elif share >= 0.0995:
        body = f"{share:.2f}"
    elif share == 0:
        body = "0"
    else:
        body = _two_significant(share)
    return f"{body}\u00a0%" if language == "en" else f"{body}%"


def _two_significant(value: float) -> str:
    text = f"{value:.2g}"
    return f"{float(text):.12f}".rstrip("0").rstrip(".") if "e" in text else text


def interval(low: float, high: float, language: Language) -> str:
    """Return the two ends of an interval of fractions, in per cent."""
    first = percent(low, language).removesuffix("%").rstrip()
    return f"{first}–{percent(high, language)}"


def plain(value: float | None) -> str:
    """Return a figure with up to 4 significant digits, thousands set apart; a missing one is a dash."""
    if value is None:
        return "–"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def small(value: float | None) -> str:
    """Return a probability or rate: `1.2 × 10⁻⁷` below 0.001, else 3 significant digits; a missing one is a dash."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 1e-3:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{raised}"
