"""The columns that pass between formats, kernels and stages.

Every class is a tuple of C-contiguous arrays. Ragged data is `data` + `offsets` (n + 1 entries; item i is
`data[offsets[i]:offsets[i + 1]]`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class RawRecords(NamedTuple):
    """BAM records as they stand in the inflated file, undecoded.

    Each item starts with its 4-byte little-endian `block_size`, so that writing a choice of records is writing their
    bytes one after the other.
    """

    data: NDArray[np.uint8]
    """All records' bytes."""
    offsets: NDArray[np.int64]
    """n + 1 byte offsets into `data`."""

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.offsets) - 1


class RecordFields(NamedTuple):
    """The fixed fields of n BAM records, with the absolute byte offsets of the variable ones in `RawRecords.data`."""

    ref_id: NDArray[np.int32]
    """Contig index; -1 unplaced."""
    pos0: NDArray[np.int32]
    """Leftmost reference position, 0-based; -1 unplaced."""
    mapq: NDArray[np.uint8]
    """Mapping quality."""
    flag: NDArray[np.uint16]
    """SAM flag."""
    n_cigar: NDArray[np.int32]
    """CIGAR operations."""
    n_bases: NDArray[np.int32]
    """Bases in the record's sequence; 0 where it is `*`."""
    mate_ref_id: NDArray[np.int32]
    """The mate's contig index; -1 unplaced."""
    mate_pos0: NDArray[np.int32]
    """The mate's leftmost reference position, 0-based; -1 unplaced."""
    insert_size: NDArray[np.int32]
    """Signed template length as stored."""
    name_at: NDArray[np.int64]
    """Offset of the read name."""
    n_name: NDArray[np.int32]
    """Bytes of the read name, without the closing NUL."""
    cigar_at: NDArray[np.int64]
    """Offset of the first CIGAR operation (4 bytes each, not aligned)."""
    bases_at: NDArray[np.int64]
    """Offset of the packed bases, two a byte."""
    quals_at: NDArray[np.int64]
    """Offset of the qualities; first byte 255 where missing."""
    tags_at: NDArray[np.int64]
    """Offset of the first tag."""
    tags_end: NDArray[np.int64]
    """Offset past the last tag."""


class FastqColumns(NamedTuple):
    """n FASTQ reads."""

    names: NDArray[np.uint8]
    """Names, without `@`, up to the first white space, one after the other."""
    name_offsets: NDArray[np.int64]
    """n + 1 offsets into `names`."""
    comments: NDArray[np.uint8]
    """What follows the first white space of the header line."""
    comment_offsets: NDArray[np.int64]
    """n + 1 offsets into `comments`."""
    bases: NDArray[np.uint8]
    """Bases in ASCII, upper case."""
    quals: NDArray[np.uint8]
    """Phred qualities (no offset), parallel to `bases`."""
    offsets: NDArray[np.int64]
    """n + 1 offsets into `bases` and `quals`."""

    def __len__(self) -> int:
        """Return the number of reads."""
        return len(self.offsets) - 1
