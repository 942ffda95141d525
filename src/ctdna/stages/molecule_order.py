"""Whether each molecule's reads stand together in a file."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.molecule_keys import mark_seen, molecule_numbers


class MoleculeOrder:
    """Remembers the molecules seen: a bit for each that is named by a number, the text of any other."""

    def __init__(self) -> None:
        """Begin with no molecule seen."""
        self._bits = np.zeros(1 << 10, dtype=np.uint8)
        self._texts: set[bytes] = set()

    def first_again(self, data: NDArray[np.uint8], at: NDArray[np.int64], n: NDArray[np.int64]) -> int:
        """Return the index of the first of these molecules (texts in `data`) that was seen before; -1 where none."""
        numbers = molecule_numbers(data, np.ascontiguousarray(at), np.ascontiguousarray(n))
        if len(numbers) == 0:
            return -1
        needed = (int(numbers.max()) >> 3) + 1
        if needed > len(self._bits):
            self._bits = np.concatenate((self._bits, np.zeros(2 * needed - len(self._bits), dtype=np.uint8)))
        again = int(mark_seen(self._bits, numbers))
        for i in np.flatnonzero(numbers < 0).tolist():
            text = bytes(data[int(at[i]) : int(at[i]) + int(n[i])])
            if text in self._texts:
                return i if again < 0 else min(i, again)
            self._texts.add(text)
        return again
