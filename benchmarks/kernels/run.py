"""Count the instructions of the main kernels on fixed work, and hold them against the committed figures.

.venv/bin/python benchmarks/kernels/run.py            compare; exit code 1 if a kernel needs over 10 % more
.venv/bin/python benchmarks/kernels/run.py --update   write results.json and the table of README.md
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from counter import Counter, counted
from work import jobs

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
CPU = "haswell"
"""Kernels are compiled for this processor: valgrind knows no AVX-512, and counts are the same elsewhere."""
TOLERANCE = 0.10
_BEGIN, _END = "<!-- counts: begin -->", "<!-- counts: end -->"
Figures = dict[str, float]


def child() -> None:
    """Do each job once to load its kernels, and once more for callgrind."""
    counter = Counter()
    for job in jobs():
        job.run()
        counter.start()
        job.run()
        counter.stop(job.kernel)


def by_valgrind(work: Path) -> Figures:
    """Return instructions a unit, counted by callgrind."""
    environment = os.environ | {"NUMBA_CPU_NAME": CPU, "NUMBA_CPU_FEATURES": "", "OPENBLAS_NUM_THREADS": "1"}
    me = [sys.executable, str(Path(__file__).resolve()), "--child"]
    subprocess.run(me, check=True, env=environment)  # compiles, so that valgrind need not watch it
    tool = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={work}/callgrind.out.%p"]
    subprocess.run([*tool, *me], check=True, env=environment, capture_output=True)
    totals = counted(work)
    return {job.kernel: round(totals[job.kernel] / job.n_units, 1) for job in jobs()}


def by_clock() -> Figures:
    """Return nanoseconds of CPU a unit, the least of five: where there is no valgrind. Not comparable with counts."""
    found = {}
    for job in jobs():
        times = []
        for _ in range(5):
            before = time.process_time_ns()
            job.run()
            times.append(time.process_time_ns() - before)
        found[job.kernel] = round(min(times) / job.n_units, 1)
    return found


def worse(now: Figures, before: Figures) -> list[str]:
    """Return a line for each kernel that needs more than the tolerance above the committed figure, or has none."""
    lines = [f"{name}: no committed figure" for name in now if name not in before]
    for name in now.keys() & before.keys():
        if now[name] > before[name] * (1 + TOLERANCE):
            lines.append(f"{name}: {before[name]} before, {now[name]} now (+{now[name] / before[name] - 1:.0%})")
    return sorted(lines)


def table(figures: Figures) -> str:
    """Return the Markdown table of the figures."""
    units = {job.kernel: job.unit for job in jobs()}
    rows = [f"| {name} | {units[name]} | {figure:,.0f} |" for name, figure in figures.items()]
    return "\n".join(["| kernel | unit | instructions a unit |", "|---|---|--:|", *rows])


def update(figures: Figures) -> None:
    """Write the figures to be committed."""
    entries = [{"kernel": job.kernel, "unit": job.unit, "instructions": figures[job.kernel]} for job in jobs()]
    RESULTS.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    page = HERE / "README.md"
    head, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    page.write_text(f"{head}{_BEGIN}\n{table(figures)}\n{_END}{rest.partition(_END)[2]}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write the figures instead of comparing them")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child()
        return 0
    if not shutil.which("valgrind"):
        print("valgrind is not installed: nanoseconds of CPU instead of instructions; nothing is compared")
        print("\n".join(f"{name}: {figure} ns" for name, figure in by_clock().items()))
        return 3
    with tempfile.TemporaryDirectory() as folder:
        figures = by_valgrind(Path(folder))
    if options.update:
        update(figures)
        return 0
    print(table(figures))
    before = {entry["kernel"]: entry["instructions"] for entry in json.loads(RESULTS.read_text(encoding="utf-8"))}
    lines = worse(figures, before)
    print("\n".join(lines) or "no kernel needs more than before")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
