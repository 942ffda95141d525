"""Clusters of UMIs written as text, without coordinates."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ctdna.kernels.umi import (
    ADJACENCY,
    BASE_TABLE,
    DASH_BIT,
    EDIT,
    IDENTITY,
    UNORIENTED,
    cluster_umis,
    encode_umis,
    turned_umis,
)
from ctdna.model.errors import InputError
from ctdna.model.params.group import Strategy

_RULES = {"identity": IDENTITY, "edit": EDIT, "adjacency": ADJACENCY, "paired": UNORIENTED}


def _turned(umi: str) -> str:
    first, _, second = umi.partition("-")
    return f"{second}-{first}"


def cluster_texts(umis: Sequence[tuple[str, int]], strategy: Strategy, edits: int) -> dict[str, tuple[int, str]]:
    """Return molecule and strand (`A`, `B`; empty unless paired) of each UMI, from UMIs and how often each was seen.

    Case does not matter. With `paired`, A-B and B-A are one molecule; A is the strand of the cluster's most frequent
    UMI in its lexically lower form.

    Raises:
        InputError: a UMI cannot be read, has another length than the rest (unless identity), or lacks the dash that
            `paired` needs.
    """
    paired = strategy == "paired"
    counts: Counter[str] = Counter()
    for umi, n in umis:
        upper = umi.upper()
        if paired and "-" not in upper:
            raise InputError(None, f"UMI {umi}", "no dash, but the paired strategy needs both halves", "")
        if strategy != "identity" and len(umi) != len(umis[0][0]):
            raise InputError(None, f"UMI {umi}", f"not as long as {umis[0][0]}", "all UMIs must have one length")
        counts[min(upper, _turned(upper)) if paired else upper] += n
    order = sorted(counts, key=lambda umi: (-counts[umi], umi))
    text = np.frombuffer("".join(order).encode() or b"", dtype=np.uint8).copy()
    lengths = np.array([len(umi) for umi in order], dtype=np.int32)
    at = np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.int64)[: len(order)]
    first, second, shape, status = encode_umis(text, at, lengths, BASE_TABLE)
    if status.any():
        umi = order[int(np.argmax(status > 0))]
        raise InputError(None, f"UMI {umi}", "allowed are A, C, G, T and one dash, 31 bases a half", "")
    numbers = np.array([counts[umi] for umi in order], dtype=np.int64)
    offsets = np.array([0, len(order)], dtype=np.int64)
    root = cluster_umis(first, second, shape, numbers, offsets, edits, _RULES[strategy])
    turned = turned_umis(first, second, shape, root, 0)
    molecule = np.cumsum(root == np.arange(len(root))) - 1
    found: dict[str, tuple[int, str]] = {}
    for i, umi in enumerate(order):
        number = int(molecule[root[i]])
        found[umi] = (number, ("B" if turned[i] else "A") if paired else "")
        if paired and shape[i] & DASH_BIT:
            other = "A" if turned[i] else "B"
            found[_turned(umi)] = (number, other)
    return {umi: found[umi.upper()] for umi, _ in umis}
