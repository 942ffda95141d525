"""Streams of random numbers keyed by an item's index (splitmix64), independent of order and threads."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel

Int = int | np.int64

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = (np.uint64(n) for n in (30, 27, 31, 11))
_UNIT = 2.0**-53
_MAX_LAMBDA = 60.0


@kernel
def mix(value: np.uint64) -> np.uint64:
    """Return the finaliser of splitmix64."""
    z = (value ^ (value >> _S30)) * _FIRST
    z = (z ^ (z >> _S27)) * _SECOND
    return z ^ (z >> _S31)


@kernel
def stream(key: np.uint64, item: int, state: NDArray[np.uint64]) -> None:
    """Set the state of an item's own stream."""
    state[0] = mix(key ^ mix(np.uint64(item) + _GOLDEN))


@kernel
def draw(state: NDArray[np.uint64]) -> np.uint64:
    """Return the next 64 random bits."""
    state[0] = state[0] + _GOLDEN
    return mix(state[0])


@kernel
def unit(state: NDArray[np.uint64]) -> float:
    """Return the next uniform number, 0 <= u < 1."""
    return np.float64(draw(state) >> _S11) * _UNIT


@kernel
def below(state: NDArray[np.uint64], n: Int) -> Int:
    """Return the next whole number, 0 <= k < n."""
    return np.int64(unit(state) * n)


@kernel
def poisson(state: NDArray[np.uint64], mean: float) -> int:
    """Return a Poisson number; means above 60 are cut to 60."""
    limit = np.exp(-min(mean, _MAX_LAMBDA))
    count, product = 0, unit(state)
    while product > limit:
        count += 1
        product *= unit(state)
    return count
