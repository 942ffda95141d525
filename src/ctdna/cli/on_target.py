"""Grouped reads counted against the kit's panel, for the `group` stage's metrics."""

from collections.abc import Iterator

from ctdna.formats.bam import BamHeader
from ctdna.formats.bed import read_bed
from ctdna.kit.load import LoadedKit
from ctdna.model.columns import RawRecords
from ctdna.model.metrics import StageMetrics
from ctdna.stages.quality.reads import count_on_target


class OnTarget:
    """Counts mapped reads and those that overlap a target of the kit's panel; without a kit it counts nothing."""

    def __init__(self, kit: LoadedKit | None, header: BamHeader) -> None:
        """Take the kit, and the header whose contigs the reads lie on.

        Raises:
            DefinitionError: the panel cannot be read, or lies on contigs that the reads do not know.
        """
        self._targets = read_bed(kit.path(kit.definition.files.panel), header.contigs) if kit else None
        self._n_mapped = self._n_on_target = 0

    def counted(self, batches: Iterator[RawRecords]) -> Iterator[RawRecords]:
        """Yield the batches again, after counting them."""
        for batch in batches:
            if self._targets is not None:
                n_mapped, n_on_target = count_on_target(batch, self._targets)
                self._n_mapped += n_mapped
                self._n_on_target += n_on_target
            yield batch

    def added_to(self, metrics: StageMetrics) -> StageMetrics:
        """Return the stage's metrics with the counts `mapped_reads` and `reads_on_target`."""
        if self._targets is None:
            return metrics
        more = {"mapped_reads": self._n_mapped, "reads_on_target": self._n_on_target}
        return metrics.model_copy(update={"counts": {**metrics.counts, **more}})
