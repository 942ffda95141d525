"""What all parts of the benchmark share: where things lie, what runs, how often."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from benchmarks.consensus import inputs, measure
from benchmarks.peers import Peer

Answer = TypeVar("Answer")
SHORT_WAY = "consensus-from-fastq"


class Bench(NamedTuple):
    """One run of the benchmark."""

    cache: Path
    """Folder of the peers and of everything made; outside the repository."""
    ctdna: str
    sizes: tuple[int, ...]
    """Read pairs of the simulated inputs."""
    memory_sizes: tuple[int, ...]
    threads: tuple[int, ...]
    repeats: int
    peers: dict[str, Peer]

    @property
    def work(self) -> Path:
        """Return the folder of inputs and outputs."""
        return self.cache / "consensus"

    @property
    def env(self) -> dict[str, str]:
        """Return the environment of measured programs."""
        return measure.environment(self.cache)

    def genomes(self) -> list[inputs.Genome]:
        """Return the references to simulate on: the demo kit's, and GRCh38 slices where real data is there."""
        found = [inputs.demo(self.work), inputs.slices(self.work, self.ctdna)]
        return [genome for genome in found if genome is not None]

    def no_short_way(self) -> str:
        """Return why `ctdna consensus-from-fastq` cannot be run; empty where it can."""
        done = subprocess.run([self.ctdna, SHORT_WAY, "--help"], capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else f"this ctdna has no command {SHORT_WAY}"


def program() -> str:
    """Return the ctdna that belongs to this Python."""
    return str(Path(sys.executable).parent / "ctdna")


def elsewhere(call: Callable[..., Answer], *arguments: Any) -> Answer:
    """Return what a function returns in a process of its own.

    The peak memory of a measured process is never told below that of its parent, so that this one must stay small.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(call, *arguments).result()
