"""The design of a simulated run: samples, planted variants, and the rates of the error process.

None of these figures decides a result: the defaults describe a plausible laboratory, not a claim.
"""

from typing import Self

from pydantic import Field, model_validator

from ctdna.model.base import Frozen
from ctdna.model.params.qc import Role
from ctdna.model.sample import SAMPLE_ID, Specimen

BARCODE = r"^[ACGT]{4,20}$"


class Process(Frozen):
    """Rates of what happens to molecules between plasma and base call; fractions unless the name says otherwise."""

    mononucleosome_bases: float = 167.0
    """Mode of the fragment lengths."""
    dinucleosome_fraction: float = Field(default=0.06, ge=0, le=1)
    off_target_fraction: float = Field(default=0.08, ge=0, lt=1)
    """Molecules from random places of the reference."""
    capture_sigma: float = Field(default=0.12, ge=0, le=2)
    """Spread of the targets' capture efficiency (standard deviation of its logarithm)."""
    strand_loss: float = Field(default=0.12, ge=0, lt=1)
    """Strands that never amplify."""
    molecule_sigma: float = Field(default=0.35, ge=0, le=2)
    """Spread of amplification between molecules (standard deviation of its logarithm)."""
    oxidation: float = Field(default=2e-5, ge=0, le=0.1)
    """G read as T on one strand, per G."""
    deamination: float = Field(default=4e-5, ge=0, le=0.1)
    """C read as T on one strand, per C."""
    end_repair: float = Field(default=1e-4, ge=0, le=0.1)
    """C read as T near a 5' end, copied into both strands, per C."""
    end_repair_bases: int = Field(default=8, ge=0, le=40)
    pcr_error: float = Field(default=6e-7, ge=0, le=0.01)
    """Substitutions per base and cycle."""
    pcr_early_cycles: int = Field(default=6, ge=1, le=12)
    """Cycles whose errors are shared by several reads of a strand."""
    pcr_late_cycles: int = Field(default=8, ge=0, le=40)
    """Cycles whose errors are private to a read."""
    stutter: float = Field(default=2e-4, ge=0, le=0.1)
    """Gain or loss of one base in a homopolymer of 6, per strand; doubles with each further base."""
    poor_read_fraction: float = Field(default=0.06, ge=0, le=1)
    """Reads whose qualities fall early."""
    misreport: float = Field(default=1.5, gt=0, le=20)
    """True error rate over the one that the quality states."""
    damaged_fraction: float = Field(default=0.0, ge=0, le=1)
    """Molecules with a stretch of each strand that is damaged at rates of its own."""
    damaged_bases: int = Field(default=40, ge=1, le=400)
    """Length of such a stretch."""
    damaged_oxidation: float = Field(default=0.0, ge=0, le=1)
    """G read as T on one strand, per G of a stretch."""
    damaged_deamination: float = Field(default=0.0, ge=0, le=1)
    """C read as T on one strand, per C of a stretch."""
    jackpot: float = Field(default=0.0, ge=0, le=0.01)
    """Substitutions per base that all reads of a strand share, where it has one read; with n reads, 1 / n of it."""
    misreport_late: float = Field(default=1.0, gt=0, le=100)
    """Factor on the error rate in the last quarter of each read, at the same stated quality."""
    misreport_after_gg: float = Field(default=1.0, gt=0, le=100)
    """The same for a base after GG."""
    misreport_after_run: float = Field(default=1.0, gt=0, le=100)
    """The same for a base after four equal bases."""
    dark_base: float = Field(default=0.0, ge=0, le=0.1)
    """Bases without signal, read as G at their quality."""
    index_hopping: float = Field(default=0.002, ge=0, le=0.5)
    """Read pairs with one index of another sample."""
    undetermined_fraction: float = Field(default=0.012, ge=0, lt=0.5)
    """Clusters with an index that no sample has."""
    phix_fraction: float = Field(default=0.01, ge=0, lt=0.5)
    """Clusters of the spiked control; contrived, without an index."""
    failed_filter_fraction: float = Field(default=0.12, ge=0, lt=0.9)
    """Clusters that fail the sequencer's filter."""


class Run(Frozen):
    """What the simulated sequencer calls itself."""

    instrument: str = Field(default="A00000", pattern=r"^A\d{5}$")
    """A serial number in NovaSeq 6000's form; index 2 is read forward, as with its first reagents."""
    number: int = Field(default=1, ge=1, le=9999)
    flow_cell: str = Field(default="HDEMODSX1", pattern=r"^[A-Z0-9]{5,20}$")
    date: str = Field(default="250117", pattern=r"^\d{6}$")
    """YYMMDD, as in the run's id."""
    read_bases: int = Field(default=100, ge=30, le=300)
    n_tiles: int = Field(default=4, ge=1, le=156)

    @property
    def run_id(self) -> str:
        """Return the run's id, which is also the run folder's usual name."""
        return f"{self.date}_{self.instrument}_{self.number:04d}_A{self.flow_cell}"


class Planted(Frozen):
    """A variant planted into a share of the molecules."""

    allele: str
    """A label of the kit's hotspots, or `contig:pos1:ref>alt`."""
    vaf: float = Field(gt=0, le=1)


class Contamination(Frozen):
    """Molecules of another sample of the design, with its germline and planted variants."""

    sample_id: str
    fraction: float = Field(gt=0, le=1)


class SimulatedSample(Frozen):
    """One library."""

    sample_id: str = Field(pattern=SAMPLE_ID)
    role: Role
    index: str = Field(pattern=BARCODE)
    index2: str = Field(pattern=BARCODE)
    subject: str
    """Seeds the germline genotypes; samples of one subject share them."""
    molecules_per_target: float = Field(ge=0, le=200_000)
    """Mean double-stranded molecules that reach amplification, a target."""
    reads_per_molecule: float = Field(gt=0, le=100)
    """Mean read pairs of a molecule, both strands together."""
    adapter_dimers: int = Field(default=0, ge=0, le=1_000_000)
    """Read pairs without an insert."""
    variants: tuple[Planted, ...] = ()
    contamination: Contamination | None = None
    specimen: Specimen = Specimen()


class SimulateDesign(Frozen):
    """A simulated run, read from a YAML file."""

    run: Run = Run()
    process: Process = Process()
    samples: tuple[SimulatedSample, ...] = Field(min_length=1, max_length=384)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [sample.sample_id for sample in self.samples]
        pairs = [(sample.index, sample.index2) for sample in self.samples]
        if len(set(ids)) < len(ids):
            raise ValueError("a sample_id stands twice")
        if len(set(pairs)) < len(pairs):
            raise ValueError("two samples have the same pair of indexes")
        if len({(len(first), len(second)) for first, second in pairs}) > 1:
            raise ValueError("the samples' indexes differ in length")
        for sample in self.samples:
            other = sample.contamination.sample_id if sample.contamination else None
            if other is not None and (other not in ids or other == sample.sample_id):
                raise ValueError(f"{sample.sample_id}: contamination names `{other}`, which is no other sample")
        return self
