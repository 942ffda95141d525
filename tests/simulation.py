"""A small panel and its genome for the simulator's tests."""

from pathlib import Path

import numpy as np

from ctdna.model.params.simulate import Contamination, Planted, Process, Run, SimulateDesign, SimulatedSample
from ctdna.model.simulated import Genome
from ctdna.stages.simulation.alleles import Allele, Panel
from ctdna.stages.simulation.tables import codes

ROOT = Path(__file__).resolve().parents[1]
KIT = ROOT / "config" / "kits" / "ctdna-demo" / "1.0.0"
TINY = ROOT / "test-data" / "tiny.yaml"
SNP = Allele("one", 641, "A", "C")


def genome() -> tuple[Genome, dict[str, str]]:
    """Return two random contigs, of which the first has an A at position 641, as columns and as text."""
    rng = np.random.default_rng(7)
    texts = {name: "".join(rng.choice(list("ACGT"), n)) for name, n in (("one", 1200), ("two", 900))}
    texts["one"] = texts["one"][:640] + "A" + texts["one"][641:]
    offsets = np.array([0, 1200, 2100], dtype=np.int64)
    return Genome(codes("".join(texts.values())), offsets), texts


def panel(frequency: float = 0.999999) -> Panel:
    return Panel(("one", "two"), (("one", 560, 680), ("two", 400, 500)), {}, ((SNP, frequency),))


QUIET = Process(
    oxidation=0, deamination=0, end_repair=0, pcr_error=0, stutter=0, index_hopping=0, misreport=1e-9,
    poor_read_fraction=0, phix_fraction=0, undetermined_fraction=0, failed_filter_fraction=0,
)  # fmt: skip
"""A laboratory and sequencer without errors; no-calls remain."""


def sample(sample_id: str, variants: tuple[Planted, ...] = (), other: Contamination | None = None) -> SimulatedSample:
    return SimulatedSample(
        sample_id=sample_id,
        role="patient",
        index={"A": "ACGTACGT", "B": "TTGCAACC"}[sample_id],
        index2={"A": "CATGCATG", "B": "GGATCCTA"}[sample_id],
        subject=sample_id,
        molecules_per_target=800,
        reads_per_molecule=4.0,
        variants=variants,
        contamination=other,
    )


def design(*samples: SimulatedSample, process: Process = QUIET, read_bases: int = 60) -> SimulateDesign:
    return SimulateDesign(run=Run(n_tiles=2, read_bases=read_bases), process=process, samples=samples)


def text(calls: np.ndarray) -> str:
    """Return the letters of one read's calls."""
    return "".join("N" if call == 0 else "ACGT"[call & 3] for call in calls.tolist())
