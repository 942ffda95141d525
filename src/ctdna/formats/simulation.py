"""The simulator's files: design and reference in; FASTQ and truth out."""

import json
from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError

from ctdna.formats.atomic import write_text
from ctdna.formats.documents import significant, write_json
from ctdna.formats.fastq import FastqWriter
from ctdna.formats.run_folder_write import LANE, tile_numbers, well_positions
from ctdna.model.columns import FastqColumns
from ctdna.model.errors import InputError
from ctdna.model.params.simulate import SimulateDesign
from ctdna.model.simulated import BINS, Clusters, Genome, Truth

_BATCH = 100_000
_HEADER = (
    "contig\tpos1\tref\talt\tkind\tlabel\tvaf\tmolecules_covering\tmolecules_carrying\t"
    "sequenced_covering\tsequenced_carrying"
)


class _Loader(yaml.SafeLoader):
    """YAML in which no key stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        """Return the mapping's values by key."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for (key_node, _), key in zip(node.value, keys, strict=True):
            if keys.count(key) > 1:
                line = key_node.start_mark.line + 1
                raise yaml.constructor.ConstructorError(None, None, f"line {line}: key `{key}` stands twice")
        return super().construct_mapping(node, deep)


def read_design(path: Path) -> SimulateDesign:
    """Return the design in a YAML file.

    Raises:
        InputError: the file cannot be read, is not YAML, or does not fit; the first misfit is named.
    """
    try:
        plain = yaml.load(path.read_text("utf-8"), Loader=_Loader)
        return SimulateDesign.model_validate_json(json.dumps(plain))
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(path, f"byte {error.start}", "is not UTF-8 text", "save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise InputError(path, "", f"is not YAML: {error}", "see docs/stages/simulate.md") from error
    except TypeError as error:
        raise InputError(path, "", f"holds a value that YAML reads as no text: {error}", "put it in quotes") from error
    except RecursionError as error:
        raise InputError(path, "", "is nested too deeply", "see docs/stages/simulate.md") from error
    except ValueError as error:
        raise _misfit(path, error) from error


def _misfit(path: Path, error: ValueError) -> InputError:
    """Return the one-line error for a design that is YAML, but not a design."""
    if not isinstance(error, ValidationError):
        return InputError(path, "", f"holds a value that cannot be: {error}", "see docs/stages/simulate.md")
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    found = "" if first["type"] == "missing" else f"found {json.dumps(first['input'], default=str)[:60]}: "
    return InputError(path, where, f"{found}{first['msg']}", "see docs/stages/simulate.md")


def read_genome(path: Path) -> tuple[tuple[str, ...], Genome]:
    """Return the contigs' names and their bases as codes.

    Raises:
        InputError: the file cannot be read, or holds anything but A, C, G and T.
    """
    try:
        text = path.read_text("ascii")
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(path, f"byte {error.start}", "is not a FASTA file", "give a plain FASTA") from error
    names, parts = [], []
    for record in text.split(">")[1:]:
        header, _, body = record.partition("\n")
        names.append(header.split()[0] if header.split() else "")
        bases = body.replace("\n", "").replace("\r", "").upper()
        if set(bases) - set("ACGT") or not bases:
            what = f"found {', '.join(sorted(set(bases) - set('ACGT'))[:4]) or 'no base'}, allowed are A, C, G and T"
            raise InputError(path, f"contig {names[-1]}", what, "simulate on a panel reference without gaps")
        parts.append(np.frombuffer(bases.encode(), dtype=np.uint8))
    if not names:
        raise InputError(path, "", "holds no sequence", "give a FASTA file")
    table = np.zeros(256, dtype=np.uint8)
    table[np.frombuffer(b"ACGT", dtype=np.uint8)] = np.arange(4)
    offsets = np.concatenate(([0], np.cumsum([len(part) for part in parts]))).astype(np.int64)
    return tuple(names), Genome(table[np.concatenate(parts)], offsets)


def _names(design: SimulateDesign, rows: NDArray[np.int64], n_wells: int) -> list[str]:
    run = design.run
    numbers = tile_numbers(run.n_tiles)
    places = np.floor(10 * well_positions(n_wells).astype(np.float64) + 1000.5).astype(np.int64)
    head = f"{run.instrument}:{run.number}:{run.flow_cell}:{LANE}"
    tiles, wells = rows // n_wells, rows % n_wells
    return [
        f"{head}:{numbers[tile]}:{x}:{y}"
        for tile, x, y in zip(tiles.tolist(), places[wells, 0].tolist(), places[wells, 1].tolist(), strict=True)
    ]


def _letters(calls: NDArray[np.uint8]) -> NDArray[np.uint8]:
    letters: NDArray[np.uint8] = np.frombuffer(b"ACGT", dtype=np.uint8)[calls & np.uint8(3)]
    letters[calls == 0] = ord("N")
    return letters


def _comments(mate: int, index: NDArray[np.uint8], n_first: int) -> NDArray[np.uint8]:
    """Return `1:N:0:<index>+<index2>` of each read, as it was read."""
    letters, n = _letters(index), len(index)
    head = np.tile(np.frombuffer(f"{mate}:N:0:".encode(), dtype=np.uint8), (n, 1))
    plus = np.full((n, 1), ord("+"), dtype=np.uint8)
    return np.concatenate((head, letters[:, :n_first], plus, letters[:, n_first:]), axis=1)


def _columns(names: list[str], comments: NDArray[np.uint8], calls: NDArray[np.uint8]) -> FastqColumns:
    letters = _letters(calls)
    quals = np.array(BINS, dtype=np.uint8)[calls >> np.uint8(2)]
    n, n_bases = calls.shape
    ends = np.cumsum([len(name) for name in names], dtype=np.int64)
    return FastqColumns(
        names=np.frombuffer(bytearray("".join(names).encode()), dtype=np.uint8),
        name_offsets=np.concatenate(([0], ends)).astype(np.int64),
        comments=np.ascontiguousarray(comments).reshape(-1),
        comment_offsets=np.arange(n + 1, dtype=np.int64) * comments.shape[1],
        bases=np.ascontiguousarray(letters).reshape(-1),
        quals=np.ascontiguousarray(quals).reshape(-1),
        offsets=np.arange(n + 1, dtype=np.int64) * n_bases,
    )


def write_fastqs(folder: Path, clusters: Clusters, design: SimulateDesign, threads: int = 1) -> None:
    """Write `<sample>_R1.fastq.gz` and `_R2.fastq.gz` of each sample: its passing clusters with both own indexes."""
    n_wells = len(clusters.calls) // design.run.n_tiles
    n_read = design.run.read_bases
    spans = {1: slice(0, n_read), 2: slice(clusters.calls.shape[1] - n_read, None)}
    read = clusters.calls[:, n_read : clusters.calls.shape[1] - n_read]
    index = np.where(read == 0, np.uint8(255), read & np.uint8(3))
    for i_sample, sample in enumerate(design.samples):
        barcode = sample.index + sample.index2
        own = np.array(["ACGT".index(base) for base in barcode], dtype=np.uint8)
        rows = np.flatnonzero((clusters.sample == i_sample) & clusters.passes)
        rows = rows[_matches(index[rows], own, len(sample.index))].astype(np.int64)
        for mate, span in spans.items():
            with FastqWriter(folder / f"{sample.sample_id}_R{mate}.fastq.gz", threads) as writer:
                for at in range(0, len(rows), _BATCH):
                    part = rows[at : at + _BATCH]
                    comments = _comments(mate, read[part], len(sample.index))
                    writer.write(_columns(_names(design, part, n_wells), comments, clusters.calls[part, span]))


def _matches(index: NDArray[np.uint8], own: NDArray[np.uint8], n_first: int) -> NDArray[np.bool_]:
    """Return whether both indexes are within one mismatch of the sample's."""
    differs = index != own
    near: NDArray[np.bool_] = (differs[:, :n_first].sum(axis=1) <= 1) & (differs[:, n_first:].sum(axis=1) <= 1)
    return near


def write_truth(folder: Path, design: SimulateDesign, truth: Sequence[tuple[Truth, ...]], seed: int, kit: str) -> None:
    """Write `<sample>.truth.tsv` of each sample, and `truth.json` with seed, kit and design.

    Raises:
        InputError: a file cannot be written.
    """
    for sample, rows in zip(design.samples, truth, strict=True):
        lines = [_HEADER] + ["\t".join(str(significant(v) if isinstance(v, float) else v) for v in row) for row in rows]
        write_text(folder / f"{sample.sample_id}.truth.tsv", "\n".join(lines) + "\n")
    samples = {
        sample.sample_id: [dict(row._asdict()) for row in rows]
        for sample, rows in zip(design.samples, truth, strict=True)
    }
    document: dict[str, object] = {
        "schema_version": 1,
        "seed": seed,
        "kit": kit,
        "design": design.model_dump(mode="json"),
        "alleles": samples,
    }
    write_json(folder / "truth.json", document)
