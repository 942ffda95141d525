"""Fixed work for the main kernels: made of seeded numbers, the same on every machine."""

import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SEED = 7
N_MOLECULES = 60
N_PAIRS = 8
N_BASES = 93
INSERT = 160
_NIBBLES = (1, 2, 4, 8)
_COMPLEMENT = (3, 2, 1, 0)


class Job(NamedTuple):
    """One kernel's work."""

    kernel: str
    unit: str
    """What its cost is divided by."""
    n_units: int
    run: Callable[[], object]


def _record(name: bytes, flag: int, pos0: int, mate0: int, codes: list[int], quals: list[int], tags: bytes) -> bytes:
    nibbles = [_NIBBLES[code] for code in codes] + [0]
    packed = bytes(nibbles[k] << 4 | nibbles[k + 1] for k in range(0, len(codes), 2))
    fixed = struct.pack("<iiBBHHHiiii", 0, pos0, len(name) + 1, 60, 4681, 1, flag, len(codes), 0, mate0, INSERT)
    body = fixed + name + b"\0" + struct.pack("<I", len(codes) << 4) + packed + bytes(quals) + tags
    return struct.pack("<i", len(body)) + body


def grouped_records() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the raw records of molecules of 8 read pairs, half of each strand, with a wrong base in 200."""
    rng = np.random.default_rng(SEED)
    parts: list[bytes] = []
    for molecule in range(N_MOLECULES):
        insert = rng.integers(0, 4, INSERT).tolist()
        umi = "".join("ACGT"[code] for code in rng.integers(0, 4, 10).tolist()).encode()
        for pair in range(N_PAIRS):
            is_b = pair >= N_PAIRS // 2
            for is_reverse in (False, True):
                start = INSERT - N_BASES if is_reverse else 0
                wrong = rng.random(N_BASES) < 0.005
                codes = [
                    3 - c if w else c for c, w in zip(insert[start : start + N_BASES], wrong.tolist(), strict=True)
                ]
                quals = rng.choice([12, 25, 37, 37, 37, 37], N_BASES).tolist()
                flag = 3 | (16 if is_reverse else 32) | (64 if is_reverse == is_b else 128)
                halves = (umi[5:], umi[:5]) if is_b else (umi[:5], umi[5:])
                tags = b"NMC\0RXZ" + b"-".join(halves) + f"\0MIZ{molecule}/{'AB'[is_b]}\0MCZ{N_BASES}M\0".encode()
                name = f"M0001:12:FLOW:1:1101:{molecule}:{pair}".encode()
                places = (1000 + start, 1000 + INSERT - N_BASES - start)
                parts.append(_record(name, flag, *places, codes, quals, tags))
    offsets = np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64)
    return np.frombuffer(b"".join(parts), dtype=np.uint8).copy(), offsets


def fastq_text() -> NDArray[np.uint8]:
    """Return FASTQ text of as many reads as there are records."""
    rng = np.random.default_rng(SEED)
    reads = []
    for i in range(2 * N_MOLECULES * N_PAIRS):
        bases = "".join("ACGT"[code] for code in rng.integers(0, 4, N_BASES).tolist())
        reads.append(f"@M0001:12:FLOW:1:1101:{i} 1:N:0:1\n{bases}\n+\n{'F' * N_BASES}\n")
    return np.frombuffer("".join(reads).encode(), dtype=np.uint8).copy()


def _consensus_jobs(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> list[Job]:
    from ctdna.kernels.call_family import call_families
    from ctdna.kernels.consensus import LETTERS_OF_NIBBLES
    from ctdna.kernels.family import Input, Settings
    from ctdna.kernels.molecule_keys import find_molecules
    from ctdna.kernels.overlap import ADD, BETTER
    from ctdna.kernels.read_rows import read_rows
    from ctdna.stats.phred import consensus_tables

    text, tables, letters = np.full(1, 65, dtype=np.uint8), consensus_tables(45, 40), LETTERS_OF_NIBBLES.copy()

    def call(is_duplex: int, overlap_rules: int) -> Callable[[], object]:
        def run() -> object:
            rows, copy = read_rows(data, offsets), data.copy()
            starts, _ = find_molecules(copy, rows, is_duplex)
            settings = Settings(is_duplex, 1, 1, 0, 10, 2, 0, 0, overlap_rules, 0)
            source = Input(copy, rows, letters, settings, tables)
            return call_families(source, starts, 0, len(starts) - 1, text, text)

        return run

    n = N_MOLECULES * N_PAIRS
    rows = read_rows(data, offsets)
    return [
        Job("read_rows", "record", 2 * n, lambda: read_rows(data, offsets)),
        Job("find_molecules", "record", 2 * n, lambda: find_molecules(data, rows, 1)),
        Job("call_families duplex", "read pair", n, call(1, ADD | BETTER << 2)),
        Job("call_families duplex, mates left alone", "read pair", n, call(1, -1)),
        Job("call_families simplex", "read pair", n, call(0, ADD | BETTER << 2)),
    ]


def _record_jobs(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> list[Job]:
    from ctdna.kernels import record as rec

    fields, n = rec.record_fields(data, offsets), len(offsets) - 1
    lengths, order = np.full(1, 1 << 20, dtype=np.int64), np.arange(n, dtype=np.int64)
    rx, text = rec.tag_code("RX"), rec.kind_code("Z")
    return [
        Job("scan_records", "record", n, lambda: rec.scan_records(data)),
        Job("check_records", "record", n, lambda: rec.check_records(data, offsets, lengths)),
        Job("record_fields", "record", n, lambda: rec.record_fields(data, offsets)),
        Job("find_tag", "record", n, lambda: rec.find_tag(data, fields.tags_at, fields.tags_end, rx, text)),
        Job("take_records", "record", n, lambda: rec.take_records(data, offsets, order)),
    ]


def _text_jobs(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> list[Job]:
    from ctdna.kernels import fastq, umi
    from ctdna.kernels.extract import TEMPLATE, UMI, divide
    from ctdna.kernels.read_rows import N_RX, RX_AT, read_rows

    text = fastq_text()
    n = int(fastq.count_lines(text)) // 4
    reads = fastq.parse_fastq(text, n)[0]
    segments = np.array([[UMI, 5], [TEMPLATE, -1]], dtype=np.int64)
    shape = np.array([5, 5, TEMPLATE], dtype=np.int64)
    rows = read_rows(data, offsets)
    at, n_chars = rows[:, RX_AT].copy(), rows[:, N_RX].astype(np.int32)
    return [
        Job("parse_fastq", "read", n, lambda: fastq.parse_fastq(text, n)),
        Job("format_fastq", "read", n, lambda: fastq.format_fastq(reads)),
        Job("divide", "read", n, lambda: divide(reads.bases, reads.quals, reads.offsets, segments, shape)),
        Job("encode_umis", "record", len(at), lambda: umi.encode_umis(data, at, n_chars, umi.BASE_TABLE)),
    ]


def jobs() -> list[Job]:
    """Return all work, in the order in which it is counted."""
    data, offsets = grouped_records()
    return [*_record_jobs(data, offsets), *_consensus_jobs(data, offsets), *_text_jobs(data, offsets)]
