"""Reproducible numbers from a seed and words, the same on every machine."""

import hashlib
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray


def seed_bits(seed: int, *words: str | int) -> int:
    """Return 64 bits that depend on the seed and the words alone."""
    text = "\x1f".join(str(word) for word in (seed, *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def seed_key(seed: int, *words: str | int) -> np.uint64:
    """Return the key of a kernel's streams."""
    return np.uint64(seed_bits(seed, *words))


def seed_unit(seed: int, *words: str | int) -> float:
    """Return a uniform number, 0 < u < 1."""
    return ((seed_bits(seed, *words) >> 12) + 0.5) / 2**52


def seed_normal(seed: int, *words: str | int) -> float:
    """Return a standard normal number."""
    return NormalDist().inv_cdf(seed_unit(seed, *words))


def seed_permutation(seed: int, n: int, *words: str | int) -> NDArray[np.int64]:
    """Return a permutation of 0 to n - 1: the order of n hashed numbers."""
    z = np.arange(n, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + seed_key(seed, *words)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.argsort(z ^ (z >> np.uint64(31)), kind="stable").astype(np.int64)
