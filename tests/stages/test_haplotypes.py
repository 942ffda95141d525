import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ctdna.kernels.realign_alleles import Change
from ctdna.model.evidence import Panel, Targets
from ctdna.stages.assembly import normal_change
from ctdna.stages.candidates import repeat_of
from ctdna.stages.evidence import lay_panel
from ctdna.stages.haplotypes import Inherited, inherited_bases, on_haplotypes
from tests.consensus_molecules import REFERENCE, Edit, crowd, evidence, flip

pytestmark = pytest.mark.timeout(60)
SPLIT_RUN = "CTGACCATGG" + "A" * 16 + "GCAGTGAGTT"


def panel_of(reference: str) -> Panel:
    targets = Targets(np.zeros(1, np.int32), np.zeros(1, np.int32), np.array([len(reference)], np.int32), ("t",))
    bases = np.frombuffer(reference.encode(), np.uint8)
    return lay_panel(targets, (("c", len(reference)),), lambda _, start0, end0: bases[start0:end0])


def codes(text: str) -> np.ndarray:
    return np.array(["ACGT".index(base) for base in text], np.uint8)


def inherited(slot: int, base: str) -> Inherited:
    return Inherited(np.array([slot]), np.array(["ACGT".index(base)]))


def changed(reference: str, change: Change) -> str:
    inserted = "".join("ACGT"[code] for code in change.inserted)
    return reference[: change.slot] + inserted + reference[change.slot + change.n_deleted :]


def test_a_gained_base_of_a_split_run_is_of_the_run() -> None:
    # A run of 16 A; on the inherited haplotype the twelfth is G, so 11 are left before it.
    panel = panel_of(SPLIT_RUN)
    allele = normal_change(panel, 22, 0, codes("G"))
    assert allele is not None
    assert repeat_of(panel, allele) == (0, 1)
    assert [one.run for one in on_haplotypes(panel, allele, inherited(21, "G"), 15)] == [(1, 11)]


def test_a_far_substitution_makes_no_other_haplotype() -> None:
    panel = panel_of(SPLIT_RUN)
    allele = normal_change(panel, 22, 0, codes("G"))
    assert allele is not None
    assert on_haplotypes(panel, allele, inherited(1, "G"), 15) == []


@settings(max_examples=150, deadline=None)
@given(data=st.data(), reference=st.text("AC", min_size=24, max_size=24))
def test_both_ways_to_write_it_make_one_sequence(data: st.DataObject, reference: str) -> None:
    panel = panel_of(reference)
    n_deleted = data.draw(st.integers(0, 3))
    inserted = data.draw(st.text("ACG", max_size=0 if n_deleted else 3))
    allele = normal_change(panel, data.draw(st.integers(8, 14)), n_deleted, codes(inserted))
    assume(allele is not None)
    assert allele is not None
    slot = data.draw(st.integers(3, 20))
    base = data.draw(st.sampled_from([b for b in "ACGT" if b != reference[slot]]))
    own = reference[:slot] + base + reference[slot + 1 :]
    for one in on_haplotypes(panel, allele, inherited(slot, base), 15):
        assert changed(own, one.change) == changed(reference, allele)
        assert one.run == repeat_of(panel_of(own), one.change)


def test_inherited_bases_are_those_of_many_molecules() -> None:
    common, rare = (Edit(pos0, REFERENCE[pos0], flip(REFERENCE[pos0])) for pos0 in (520, 560))
    shown = evidence(crowd(200, 1, [(90, [common]), (5, [rare])]))
    found = inherited_bases(shown, 0.2)
    assert found.slot.tolist() == [shown.panel.slot("chrT", 520)]
    assert found.base.tolist() == ["ACGT".index(common.alt)]
