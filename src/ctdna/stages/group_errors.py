"""What can be wrong with the templates to group, told in one way however they are grouped."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.grouping import BAD_UMI, NO_UMI
from ctdna.kernels.umi import DASH_BIT
from ctdna.model.errors import InputError
from ctdna.model.params.group import GroupParams

_BAD_UMI = {
    2: ("a UMI with another character than A, C, G, T, N and a dash", "write the UMI's bases, halves joined by a dash"),
    3: ("a UMI longer than 31 bases in a half", "shorten the UMI"),
    4: ("a UMI with more than one dash", "join the UMI's halves by one dash"),
}


def pairing_error(where: str, flag: int, kind: int) -> InputError:
    """Return the error of a record that is one too many of its template (`kind` 1), or neither of its reads (2)."""
    what = "more than one primary record of the same end" if kind == 1 else "neither first nor second of its pair"
    hint = "names must be unique to a template: make the alignment again"
    return InputError(None, f"{where}, flag {flag}", what, hint)


def umi_error(where: str, status: int, umi: str) -> InputError:
    """Return the error of a template whose UMI is missing or cannot be read; `status`: `template_status`'s."""
    if status == NO_UMI:
        return InputError(None, where, "no UMI (no RX tag)", "take the UMIs out with `ctdna extract` and align again")
    what, hint = _BAD_UMI[status - BAD_UMI]
    return InputError(None, where, f"found UMI {umi}, {what}", hint)


def needs_one_length(params: GroupParams) -> bool:
    """Return whether UMIs of two lengths are an error."""
    return params.strategy != "identity" and params.min_umi_length is None and not params.allow_mixed_umi_lengths


def length_error(where: str, n_first: int, n_found: int) -> InputError:
    """Return the error of a UMI that has not as many characters as the first."""
    found = f"UMIs of {n_first} and {n_found} characters"
    hint = "all must have one length; else give --min-umi-length or --allow-mixed-umi-lengths"
    return InputError(None, where, found, hint)


def paired_errors(r2: NDArray[np.int64], shape: NDArray[np.int32]) -> Iterator[tuple[int, str]]:
    """Yield the first template that does not suit the paired strategy for each reason, and the reason."""
    for is_wrong, what in (
        (r2 < 0, "a single read, but the paired strategy needs read pairs"),
        ((shape & DASH_BIT) == 0, "a UMI without a dash, but the paired strategy needs both halves"),
    ):
        if is_wrong.any():
            yield int(np.argmax(is_wrong)), what
