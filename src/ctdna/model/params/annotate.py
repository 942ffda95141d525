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
