"""Run Illumina's BCL Convert and leave its FASTQ files under the names of this product.

    wrapper.py --run-folder R --sample-sheet S --work W --output O --threads N

W is a new folder for BCL Convert's own output; its Reports stay there. FASTQ files go to O as <sample>_R1.fastq.gz.
Exit code 5, with one line on standard error, where the program is missing, of another version, or fails.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

FASTQ = re.compile(r"(?P<sample>.+)_S\d+_R(?P<read>[12])_001\.fastq\.gz\Z")
EXIT_PROGRAM = 5


def fail(message: str) -> None:
    """Leave with one line on standard error."""
    print(" ".join(message.split()), file=sys.stderr)
    sys.exit(EXIT_PROGRAM)


def check_program() -> str:
    """Return the program's path; leave where it is missing or of another version than version.json names."""
    pinned = json.loads((Path(__file__).parent / "version.json").read_text())
    name, versions = pinned["program"], pinned["versions"]
    path = shutil.which(name)
    if path is None:
        fail(
            f"{name}: found no such program on the PATH; install Illumina's BCL Convert {' or '.join(versions)}, "
            "or use a kit whose decoder is ctdna"
        )
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    if not any(re.search(rf"(?<!\d){re.escape(version)}\.\d+", text) for version in versions):
        found = text.strip().splitlines()[0] if text.strip() else "nothing"
        fail(f"{name}: found version '{found}', allowed are {', '.join(versions)}; install one of them")
    return path


def run(program: str, options: argparse.Namespace) -> None:
    """Run the program; leave where it fails."""
    arguments = [
        "--bcl-input-directory", str(options.run_folder),
        "--sample-sheet", str(options.sample_sheet),
        "--output-directory", str(options.work),
        "--no-lane-splitting", "true",
        "--bcl-sampleproject-subdirectories", "false",
        "--bcl-num-parallel-tiles", "1",
        "--bcl-conversion-threads", str(options.threads),
        "--bcl-num-compression-threads", str(options.threads),
        "--bcl-num-decompression-threads", str(options.threads),
        "--force",
    ]  # fmt: skip
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    sys.stderr.write(done.stdout)
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        last = lines[-1] if lines else "it said nothing"
        fail(f"bcl-convert: failed with exit code {done.returncode}: {last}; see its own logs in {options.work}/Logs")


def move(work: Path, output: Path) -> None:
    """Move the FASTQ files to the names of this product."""
    for path in sorted(work.glob("*.fastq.gz")):
        match = FASTQ.match(path.name)
        if match is not None:
            shutil.move(path, output / f"{match['sample']}_R{match['read']}.fastq.gz")


def main() -> None:
    """Do the work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--run-folder", "--sample-sheet", "--work", "--output"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    run(check_program(), options)
    move(options.work, options.output)


if __name__ == "__main__":
    main()
