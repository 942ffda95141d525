"""How p-values of normals that were not trained on fall."""

from typing import NamedTuple

LEVELS = (0.05, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


class HeldOutGroup(NamedTuple):
    """Tests of one kind over all donors; p-values are randomised, so that they are uniform where the null holds."""

    name: str
    n_tests: int
    observed: tuple[int, ...]
    """Tests with p at most each of `LEVELS`; n_tests * level are expected."""
    own: tuple[int, ...]
    """Those of them that are clear in this donor and in few others: left out of training as the donor's own."""
    ks_statistic: float
    """Kolmogorov and Smirnov's distance from uniform."""
    ks_p: float
    expected_calls: float
    """Tests that reach the level of a call by chance, a panel, whatever their molecules."""
    observed_calls: float
    """Tests that did, a panel, with enough molecules for a call."""
    quantiles: tuple[tuple[int, float], ...]
    """Ranks (from 1) and the p-values that hold them."""


class HeldOut(NamedTuple):
    """How the tests of normals fell, each held out in turn."""

    groups: tuple[HeldOutGroup, ...]
    """Six substitutions (strands put together), deletions, insertions, then all substitutions and all indels."""
    n_donors: int

    def summary(self) -> dict[str, float]:
        """Return the figures that a background's header and the metrics hold."""
        out: dict[str, float] = {"calibration_donors": self.n_donors} if self.groups else {}
        for group in self.groups[-2:]:
            out |= {f"{group.name}_tests": group.n_tests, f"{group.name}_ks_p": group.ks_p}
            out |= {f"{group.name}_calls_expected": group.expected_calls}
            out |= {f"{group.name}_calls_observed": group.observed_calls}
            for level, n in zip(LEVELS, group.observed, strict=True):
                out[f"{group.name}_p_{level:g}_ratio"] = n / max(1e-300, group.n_tests * level)
        return out
