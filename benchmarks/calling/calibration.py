"""Are p-values of normals uniform that the background was not trained on? Simulated normals of two error processes.

    .venv/bin/python -m benchmarks.calling.calibration --work DIR

Writes calibration.tsv and one plot a comparison beside this file. BAMs that stand in DIR are kept.
"""

import argparse
import itertools
import subprocess
import sys
from pathlib import Path

from benchmarks.calling.samples import PROCESSES
from ctdna.cli import calling
from ctdna.formats.atomic import atomic_path
from ctdna.formats.fasta import index_fasta
from ctdna.kit.load import load_kit
from ctdna.model.held_out import LEVELS, HeldOut
from ctdna.model.params.background import BackgroundParams
from ctdna.report.charts_held_out import qq_chart
from ctdna.stages.background import Donor, Training, read_donor, rules_of
from ctdna.stages.held_out import calibrate, held_out

HERE = Path(__file__).resolve().parent
KIT = "ctdna-demo@1.0.0"
NORMALS = {"plain": (77, 16, "base"), "harsh": (901, 14, "harsh")}
"""Seed, number of normals, and what seeds their germline."""
MOLECULES, READS = 2500, 6
N_HELD_OUT = 4
_CTDNA = [sys.executable, "-m", "ctdna"]


def _design(process: str) -> str:
    _, n, subject = NORMALS[process]
    indexes = ["".join(bases) * 2 for bases in itertools.product("ACGT", repeat=4)]
    lines = ["run: {n_tiles: 4, read_bases: 100}", f"process: {PROCESSES[process]}", "samples:"]
    for i in range(n):
        index = f"index: {indexes[i * 7]}, index2: {indexes[(i * 11 + 3) % 256]}"
        depth = f"molecules_per_target: {MOLECULES}, reads_per_molecule: {READS}"
        lines.append(f"  - {{sample_id: N{i:02d}, role: normal, {index}, subject: {subject}{i}, {depth}}}")
    return "\n".join(lines) + "\n"


def _do(*arguments: object) -> None:
    subprocess.run([*_CTDNA, *map(str, arguments)], check=True, stderr=subprocess.DEVNULL)


def _reference(work: Path) -> Path:
    path = work / "reference.fa"
    if not path.exists():
        kit = load_kit(KIT)
        path.write_bytes(kit.path(str(kit.definition.reference.fasta)).read_bytes())
        index_fasta(path)
        subprocess.run(["bwa", "index", str(path)], check=True, stderr=subprocess.DEVNULL)
    return path


def make_normals(work: Path, process: str) -> list[Path]:
    """Return the consensus BAMs of a process's normals, made where they are absent."""
    folder, (seed, n, _) = work / process, NORMALS[process]
    bams = [folder / f"N{i:02d}.bam" for i in range(n)]
    if all(bam.exists() for bam in bams):
        return bams
    folder.mkdir(parents=True, exist_ok=True)
    design, fastq = folder / "design.yaml", folder / "fastq"
    design.write_text(_design(process), encoding="utf-8")
    if not fastq.exists():
        _do("simulate", "--design", design, "--kit", KIT, "--output", fastq, "--seed", seed, "--fastq-only")
    for bam in bams:
        reads = [fastq / f"{bam.stem}_R{k}.fastq.gz" for k in (1, 2)]
        where = ["--reference", _reference(work), "--output", bam, "--sample", bam.stem, "--kit", KIT]
        if not bam.exists():
            _do("consensus-from-fastq", "--r1", reads[0], "--r2", reads[1], *where)
    return bams


def _rows(name: str, found: HeldOut) -> list[str]:
    rows = []
    for group in found.groups:
        pairs = zip(LEVELS, group.observed, strict=True)
        counts = [f"{observed}/{group.n_tests * level:.3g}" for level, observed in pairs]
        calls = f"{group.observed_calls:.3g}/{group.expected_calls:.3g}"
        rows.append("\t".join([name, group.name, str(group.n_tests), *counts, f"{group.ks_p:.3g}", calls]))
    return rows


def main() -> None:
    """Make the normals, hold them out, and write table and plots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    work = parser.parse_args().work
    kit = load_kit(KIT)
    params, settings = kit.definition.call, BackgroundParams()
    bams = {process: make_normals(work, process) for process in NORMALS}
    ground = calling.lay_ground(bams["plain"][0], _reference(work), kit.path(kit.definition.files.panel))
    donors: dict[str, list[Donor]] = {}
    for process, paths in bams.items():
        some = [calling.gather_bam(bam, ground, params, 1) for bam in paths]
        donors[process] = [read_donor(evidence, params, settings) for evidence in some]
    training = Training(ground.panel, rules_of(params), settings, KIT, {})
    plain, harsh = donors["plain"], donors["harsh"]
    found = {
        "plain_each_held_out": calibrate(plain, training, params),
        "harsh_each_held_out": calibrate(harsh, training, params),
        "plain_4_on_12": held_out(plain[:N_HELD_OUT], plain[N_HELD_OUT:], training, params),
        "harsh_4_on_10": held_out(harsh[:N_HELD_OUT], harsh[N_HELD_OUT:], training, params),
        "harsh_14_on_plain_16": held_out(harsh, plain, training, params),
    }
    levels = [f"p_{level:g}" for level in LEVELS]
    lines = ["\t".join(["comparison", "tests", "n_tests", *levels, "ks_p", "calls_a_panel"])]
    for name, calibration in found.items():
        lines += _rows(name, calibration)
        if "_on_1" not in name:
            with atomic_path(HERE / f"calibration_{name}.svg") as path:
                path.write_text(qq_chart(calibration) + "\n", encoding="utf-8")
    with atomic_path(HERE / "calibration.tsv") as path:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
