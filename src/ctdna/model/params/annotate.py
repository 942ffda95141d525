"""Parameters of the annotate stage."""

from ctdna.model.base import Frozen


class AnnotateParams(Frozen):
    """What annotation reports."""

    splice_region_bases: int
    """Intronic bases beside an exon named splice region."""
    germline_alert_genes: tuple[str, ...]
    """Genes in which a possibly germline finding alerts the reader."""
    chip_genes: tuple[str, ...]
    """Genes of clonal haematopoiesis."""
    promoter_bases: int | None = None
    """Bases before a transcript's start that are still named on it (`c.-124C>T` of TERT); None: none."""
    common_frequency: float | None = None
    """From this population frequency on, a common SNP of the kit is tier IV; None: frequency decides no tier."""
    broader_diseases: dict[str, tuple[str, ...]] | None = None
    """By a sample's diagnosis, the diseases whose evidence holds for it too; None: the very same disease alone."""
