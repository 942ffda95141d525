"""Folders of FASTQ files that were demultiplexed elsewhere: which files belong to which sample."""

import re
from pathlib import Path
from typing import NamedTuple

from ctdna.model.errors import InputError
from ctdna.model.sample import SAMPLE_ID

UNDETERMINED = "Undetermined"
"""The name under which demultiplexers keep the reads of no sample."""
_END = r"\.(?:fastq|fq)(?:\.gz)?\Z"
_ILLUMINA = re.compile(r"(?P<sample>.+)_S\d+(?:_L(?P<lane>\d{3}))?_(?P<read>R[12]|I[12])_001" + _END)
_MGI = re.compile(r"(?P<cell>[A-Z]+\d{6,})_L(?P<lane>\d{2})_(?P<sample>[A-Za-z0-9-]+)_(?P<read>[12])" + _END)
_PLAIN = re.compile(r"(?P<sample>.+?)(?:_L(?P<lane>\d{2,3}))?[_.]R?(?P<read>[12])(?:_001)?" + _END)
_FASTQ = re.compile(r".+" + _END)
_NAMES = "names as S_S1_L001_R1_001.fastq.gz, S_R1.fastq.gz, S_1.fq.gz or V350012345_L01_12_1.fq.gz"


class FastqFile(NamedTuple):
    """One file, and what its name says."""

    path: Path
    sample_id: str
    lane: int
    """0: none."""
    read: int


class FastqSample(NamedTuple):
    """The files of one sample, lane by lane."""

    sample_id: str
    aliases: tuple[str, ...]
    """Other names under which a sample sheet may list it."""
    r1: tuple[Path, ...]
    r2: tuple[Path, ...]
    """As many as `r1`, or none."""


def _fastq_files(path: Path) -> list[Path]:
    return sorted(file for file in path.iterdir() if file.is_file() and _FASTQ.match(file.name))


def is_fastq_folder(path: Path) -> bool:
    """Return whether a folder holds FASTQ files and is no run folder."""
    is_run = any(file.name.lower() == "runinfo.xml" for file in path.iterdir()) or (path / "Data").is_dir()
    return not is_run and bool(_fastq_files(path))


def _parse(path: Path) -> tuple[FastqFile, str | None] | None:
    """Return the file and its sample's short name (MGI); None for index reads."""
    for pattern in (_ILLUMINA, _MGI, _PLAIN):
        match = pattern.match(path.name)
        if match is None:
            continue
        if match["read"].startswith("I"):
            return None
        sample_id, short = match["sample"], None
        if pattern is _MGI:
            sample_id, short = f"{match['cell']}_{match['sample']}", match["sample"]
        if not re.match(SAMPLE_ID, sample_id):
            what = f"found sample '{sample_id}', allowed are letters, digits, dash and underscore, at most 100"
            raise InputError(path, "file name", what, "rename the file")
        return FastqFile(path, sample_id, int(match["lane"] or 0), int(match["read"].removeprefix("R"))), short
    raise InputError(path, "file name", "found a FASTQ file of unknown sample or read", f"use {_NAMES}")


def _sample(sample_id: str, files: list[FastqFile], short: str | None) -> FastqSample:
    reads: dict[int, dict[int, Path]] = {1: {}, 2: {}}
    for file in files:
        if file.lane in reads[file.read]:
            other = reads[file.read][file.lane].name
            what = f"found R{file.read} of lane {file.lane} of sample {sample_id} also in {other}"
            raise InputError(file.path, "", what, "keep one of the files")
        reads[file.read][file.lane] = file.path
    if reads[2] and set(reads[1]) != set(reads[2]):
        lane = min(set(reads[1]) ^ set(reads[2]))
        present = reads[1].get(lane) or reads[2][lane]
        raise InputError(present, "", f"found no R{1 if lane in reads[2] else 2} beside it", "add the file")
    r1 = tuple(reads[1][lane] for lane in sorted(reads[1]))
    r2 = tuple(reads[2][lane] for lane in sorted(reads[2]))
    return FastqSample(sample_id, (short,) if short else (), r1, r2)


def read_fastq_folder(path: Path) -> tuple[FastqSample, ...]:
    """Return the samples of a folder of FASTQ files, by id, their lanes in order; index reads are left out.

    Raises:
        InputError: a file's name tells no sample, a mate is missing, or two files claim the same place.
    """
    by_sample: dict[str, list[FastqFile]] = {}
    short: dict[str, str | None] = {}
    for file in _fastq_files(path):
        parsed = _parse(file)
        if parsed is not None:
            by_sample.setdefault(parsed[0].sample_id, []).append(parsed[0])
            short[parsed[0].sample_id] = parsed[1]
    if not by_sample:
        raise InputError(path, "", "found no FASTQ file of a sample", f"use {_NAMES}")
    return tuple(_sample(sample_id, by_sample[sample_id], short[sample_id]) for sample_id in sorted(by_sample))
