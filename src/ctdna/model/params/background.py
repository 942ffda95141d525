"""Parameters of the background stage; the file it writes names those it was trained with."""

from ctdna.model.base import Frozen


class BackgroundParams(Frozen):
    """The rules of training."""

    donor_germline_vaf: float = 0.05
    """A donor's allele from this VAF on is the donor's own."""
    slippage_vaf: float = 0.2
    """An indel below this VAF that reaches `donor_germline_vaf` in many donors is slippage of the place, and stays."""
    clonal_p: float = 1e-6
    """So is an allele less likely than this under the donor's errors, if few donors have it."""
    hotspot_clonal_p: float = 1e-3
    """The same at the kit's hotspots, where clones of normal blood are common."""
    max_clonal_share: float = 1 / 3
    """An allele this significant in more donors than this share is an error of the place, and stays."""
    donor_molecules: int = 2
    """A donor shows an allele from so many molecules on."""
    min_covered_share: float = 0.5
    """A donor whose molecules cover less of the panel is refused."""
    min_donors: int = 20
    """Fewer donors bring a warning."""
