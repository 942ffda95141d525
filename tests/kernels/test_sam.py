"""SAM text to records: every kind of field, and no line that crashes it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.kernels.record import check_records
from ctdna.kernels.sam import NIBBLE_OF, parse_sam
from ctdna.model.columns import RawRecords
from tests import naive_record
from tests.builders import CONTIGS, sam_records, writable
from tests.kernels.test_record import items

pytestmark = pytest.mark.timeout(60)
LINE = "r1\t99\tchr1\t101\t60\t2S2M\t=\t201\t104\tACGN\tII!~\tNM:i:0"


def parse(content: bytes) -> tuple[RawRecords, int]:
    names = "".join(name for name, _ in CONTIGS).encode()
    offsets = np.cumsum([0, *(len(name) for name, _ in CONTIGS)]).astype(np.int64)
    found, _, bad = parse_sam(writable(content), content.count(b"\n"), writable(names), offsets, NIBBLE_OF)
    return found, int(bad)


def test_every_kind_of_field() -> None:
    tags = "RX:Z:A-C i:Z:x AA:A:q NM:i:-7 BI:i:4294967295 pa:f:-1.25e-1 cd:B:s,-1,2 ae:B:f,0.5 bc:B:C,255 ee:B:i"
    text = f"""
    r1 99 chr1 101 60 2S3M1I2D1M4H = 201 104 ACGTNAC IIIIIII {tags.replace(" i:Z:x", " ii:Z:x")}
    r2 4 * 0 0 * * 0 0 * *
    r3 0 chr2 1 0 1M chr1 9 -5 A *
    r4 0 chr2 1 0 268435455N3M * 0 0 acg IJK
    """
    lines = "".join("\t".join(line.split()) + "\n" for line in text.strip().splitlines())
    found, bad = parse(lines.encode())
    assert bad == -1
    expected = [naive_record.parse(item) for item in items(sam_records(text.replace("acg", "ACG")))]
    assert [naive_record.parse(item) for item in items(found)] == expected


@pytest.mark.parametrize(
    "old, new",
    [
        ("99", "x"),
        ("chr1", "chr9"),
        ("=", "chrX"),
        ("2S2M", "2S2"),
        ("2S2M", "S2M"),
        ("2S2M", "2S2Q"),
        ("II!~", "II!"),
        ("NM:i:0", "NM:i:x"),
        ("NM:i:0", "NM:i:99999999999"),
        ("NM:i:0", "1:N:0:ACGT"),
        ("NM:i:0", "NM:f:."),
        ("NM:i:0", "NM:f:1e999"),
        ("NM:i:0", "NM:B:q,1"),
        ("NM:i:0", "NM:B:s;1"),
        ("NM:i:0", "NM:A:ab"),
        ("\t104", ""),
        ("r1", "r" * 255),
    ],
)
def test_a_malformed_line_is_named_by_its_number(old: str, new: str) -> None:
    content = f"{LINE}\n{LINE.replace(old, new, 1)}\n{LINE}\n"
    found, bad = parse(content.encode())
    assert bad == 1
    assert len(found) == 1


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_crashes_it_or_passes_the_check_unsound(data: st.DataObject) -> None:
    content = bytearray(f"{LINE}\tRX:Z:AC\tcd:B:s,1,2\tpa:f:0.5".encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2)).replace(b"\n", b"")
    found, bad = parse(bytes(content) + b"\n")
    lengths = [length for _, length in CONTIGS]
    if bad < 0:
        flaw, _ = check_records(found.data, found.offsets, np.array(lengths, dtype=np.int64))
        assert (flaw == -1) == naive_record.is_sound(items(found)[0], lengths)
