"""Read pairs of made-up molecules, for the tests of collapsing and spreading."""

import random
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from ctdna.kernels.record import ragged_offsets
from ctdna.model.columns import FastqColumns
from tests.builders import writable
from tests.naive_collapse import Pair


def _text(source: random.Random, n: int, letters: str) -> str:
    return "".join(source.choice(letters) for _ in range(n))


def spoiled(source: random.Random, text: str, rate: float, letters: str = "ACGTN") -> str:
    """Return the text with some of its letters replaced; a dash stays."""
    return "".join(source.choice(letters) if a != "-" and source.random() < rate else a for a in text)


def _umi(source: random.Random, sizes: tuple[int, int], has_dash: bool) -> str:
    return ("-" if has_dash else "").join(_text(source, n, "ACGT") for n in sizes)


def swapped(pair: Pair) -> Pair:
    """Return the pair as the other strand of its duplex shows it."""
    first, dash, second = pair.umi.partition("-")
    return Pair(f"{second}-{first}" if dash else pair.umi, pair.reads[::-1])


@st.composite
def pairs(draw: st.DrawFn, longest: int = 100) -> list[Pair]:
    """Return read pairs of a few molecules, with errors in bases and UMIs, many of them swapped."""
    source = random.Random(draw(st.integers(0, 1 << 32)))
    letters = draw(st.sampled_from(["ACGT", "ACGTN", "AN", "AC"]))
    umi_sizes = draw(st.sampled_from([(4, 4), (0, 0), (3, 5), (0, 6), (6, 0), (40, 33), (31, 32), (1, 1)]))
    has_dash = draw(st.booleans())
    lengths = draw(st.lists(st.integers(1, longest), min_size=1, max_size=2))
    rate, umi_rate = draw(st.sampled_from([0.0, 0.01, 0.04, 0.1])), draw(st.sampled_from([0.0, 0.1, 0.3]))
    start = _text(source, 16, letters)
    molecules = []
    for _ in range(draw(st.integers(1, 5))):
        sizes = source.choice(lengths), source.choice(lengths)
        one, two = ((source.choice(["", start]) + _text(source, 100, letters))[:n] for n in sizes)
        molecules.append(Pair(_umi(source, umi_sizes, has_dash), (one, two)))
    made = []
    for _ in range(draw(st.integers(1, 40))):
        umi, (one, two) = source.choice(molecules)
        pair = Pair(
            spoiled(source, umi, umi_rate * source.choice([0, 1])),
            (spoiled(source, one, rate), spoiled(source, two, rate * source.choice([0, 1]))),
        )
        made.append(swapped(pair) if source.random() < 0.4 else pair)
    return made


def ragged(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Return texts one after the other, and their offsets."""
    return writable("".join(texts).encode()), ragged_offsets(np.array([len(text) for text in texts], dtype=np.int32))


def quals_of(bases: str) -> list[int]:
    """Return qualities that differ from place to place."""
    return [2 + 7 * k % 38 for k in range(len(bases))]


def columns(some: Sequence[Pair], end: int, first: int = 0) -> FastqColumns:
    """Return one end of the pairs as `extract` gives it, named by number from `first` on."""
    bases, offsets = ragged([pair.reads[end] for pair in some])
    quals = np.array([q for pair in some for q in quals_of(pair.reads[end])], dtype=np.uint8)
    names = ragged([f"read{first + i}" for i in range(len(some))])
    comments = ragged([f"RX:Z:{pair.umi}\tQX:Z:II" for pair in some])
    return FastqColumns(*names, *comments, bases, quals, offsets)
