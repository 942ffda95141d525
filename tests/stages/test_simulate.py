"""The simulated run against what was planted and against closed forms."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from ctdna.kernels.fragments import build_template
from ctdna.model.errors import InputError
from ctdna.model.params.simulate import Contamination, Planted, Process, SimulatedSample
from ctdna.stages.simulate import Simulated, draw_library, simulate
from ctdna.stages.simulation.tables import (
    FIRST_LENGTH,
    codes,
    expected_error_percent,
    length_shares,
    sequencing_columns,
)
from tests.naive_simulate import reverse_complement
from tests.simulation import QUIET, SNP, design, genome, panel, sample, text

pytestmark = pytest.mark.timeout(60)
GENOME, TEXTS = genome()
REFERENCE = "".join(TEXTS.values())


def _run(*samples: SimulatedSample, process: Process = QUIET, seed: int = 3, threads: int = 1) -> Simulated:
    return simulate(seed, GENOME, panel(), design(*samples, process=process), threads)


def _run_without_snp(process: Process) -> Simulated:
    return simulate(3, GENOME, panel(1e-9), design(sample("A"), process=process))


def _reads(run: Simulated, i_sample: int = 0) -> list[tuple[str, str, str, str]]:
    """Return read 1, index 1, index 2 and read 2 of the sample's clusters."""
    rows = run.clusters.calls[run.clusters.sample == i_sample]
    return [(text(r[:60]), text(r[60:68]), text(r[68:76]), text(r[76:])) for r in rows]


def _pairs(run: Simulated) -> dict[tuple[str, str], int]:
    """Return (reference, read) bases of read 1 in its own direction; its last 20 bases find the place."""
    minus = reverse_complement(REFERENCE)
    found: dict[tuple[str, str], int] = {}
    for read, *_ in _reads(run):
        for strand in (REFERENCE, minus):
            start = strand.find(read[-20:]) - 33
            if start >= 0:
                for pair in zip(strand[start : start + 33], read[7:40], strict=True):
                    found[pair] = found.get(pair, 0) + 1
    return found


def test_threads_do_not_change_a_byte_and_another_seed_does() -> None:
    one = _run(sample("A", (Planted(allele="one:600:" + TEXTS["one"][599] + ">ACGTA", vaf=0.2),)))
    many = _run(sample("A", (Planted(allele="one:600:" + TEXTS["one"][599] + ">ACGTA", vaf=0.2),)), threads=3)
    other = _run(sample("A"), seed=4)
    assert np.array_equal(one.clusters.calls, many.clusters.calls)
    assert one.truth == many.truth
    assert one.clusters.calls.shape != other.clusters.calls.shape or not np.array_equal(
        one.clusters.calls, other.clusters.calls
    )


def test_read_pairs_balance_and_tiles_are_equally_large() -> None:
    run = _run(sample("A"), sample("B"), process=Process())
    assert len(run.clusters.calls) % 2 == 0
    counted = [int((run.clusters.sample == i).sum()) for i in (0, 1)]
    assert counted == [metrics.counts["read_pairs"] for metrics in run.metrics]
    assert run.clusters.passes[run.clusters.sample >= 0].all()
    assert 1 - run.clusters.passes.mean() == pytest.approx(Process().failed_filter_fraction, abs=0.002)


@pytest.mark.parametrize("change", ["SNV", "MNV", "insertion", "deletion", "delins", "duplication"])
def test_every_class_of_variant_stands_in_the_reads_at_its_share(change: str) -> None:
    at, bases = 600, TEXTS["one"]
    other = "C" if bases[at] != "C" else "G"
    ref, alt = {
        "SNV": (bases[at], other),
        "MNV": (bases[at : at + 2], reverse_complement(bases[at : at + 2])[::-1]),
        "insertion": (bases[at], bases[at] + "GATTACA"),
        "deletion": (bases[at : at + 16], bases[at]),
        "delins": (bases[at : at + 5], "GGC"),
        "duplication": (bases[at], bases[at] + bases[at + 1 : at + 13]),
    }[change]
    plan = design(sample("A", (Planted(allele=f"one:{at + 1}:{ref}>{alt}", vaf=0.25),)), read_bases=100)
    run = simulate(3, GENOME, panel(), plan)
    truth = next(row for row in run.truth[0] if row.kind == "planted")
    assert stats.binomtest(truth.n_carrying, truth.n_covering, 0.25).pvalue > 1e-4
    left, right = bases[at - 12 : at], bases[at + len(ref) : at + len(ref) + 12]
    for allele, share in ((ref, 0.75), (alt, 0.25)):
        window = left + allele + right
        reads = [text(row[:100]).replace("N", "A") for row in run.clusters.calls[run.clusters.sample == 0]]
        n = sum(window in read or window in reverse_complement(read) for read in reads)
        assert n > 400 * share, allele


def test_truth_counts_what_the_molecules_carry() -> None:
    other = reverse_complement(TEXTS["two"][450])
    plan = design(sample("A", (Planted(allele=f"two:451:{TEXTS['two'][450]}>{other}", vaf=0.3),)))
    library = draw_library(3, GENOME, panel(), plan, 0)
    run = simulate(3, GENOME, panel(), plan)
    for i, row in enumerate(run.truth[0]):
        pos = GENOME.offsets[("one", "two").index(row.contig)] + row.pos1 - 1
        molecules = library.molecules
        spans = (molecules.start <= pos) & (molecules.start + molecules.n_bases > pos)
        carries = (molecules.carries >> np.uint64(i)) & np.uint64(1)
        seen = molecules.reads.sum(axis=1) > 0
        expected = (spans.sum(), carries.sum(), (spans & seen).sum(), (carries.astype(bool) & seen).sum())
        assert (row.n_covering, row.n_carrying, row.n_seen_covering, row.n_seen_carrying) == expected
        assert not (carries.astype(bool) & ~spans).any()


@pytest.mark.parametrize("change", ["insertion", "duplication", "deletion"])
def test_fragments_of_a_long_allele_are_pieces_of_its_chromosome_like_all_others(change: str) -> None:
    """Both junctions, and the middle, of the allele are in as many fragments as the reference's bases are.

    The left end of a duplication is in fragments of either chromosome.
    """
    at, bases, vaf, n_around = 600, TEXTS["one"], 0.3, 12
    new = "".join(np.random.default_rng(2).choice(list("ACGT"), 60))
    ref, alt = {
        "insertion": (bases[at], bases[at] + new),
        "duplication": (bases[at], bases[at] + bases[at + 1 : at + 61]),
        "deletion": (bases[at : at + 61], bases[at]),
    }[change]
    big = sample("A", (Planted(allele=f"one:{at + 1}:{ref}>{alt}", vaf=vaf),))
    plan = design(big.model_copy(update={"molecules_per_target": 6000}))
    library = draw_library(5, GENOME, panel(1e-9), plan, 0)
    molecules, out, fragments = library.molecules, np.zeros(500, np.uint8), []
    for start, n_bases, carries in zip(molecules.start, molecules.n_bases, molecules.carries, strict=True):
        n = build_template(GENOME, library.alleles, start, n_bases, carries, out)
        assert n == n_bases
        fragments.append("".join("ACGT"[code] for code in out[:n]))
    chromosome = bases[:at] + alt + bases[at + len(ref) :]
    telling = {"insertion": (at + 1, at + 31, at + 61), "duplication": (at + 61,), "deletion": (at + 1,)}[change]
    around = at + 31 if change == "deletion" else at + 1
    for place in telling:
        n_alt = sum(chromosome[place - n_around : place + n_around] in fragment for fragment in fragments)
        n_ref = sum(bases[around - n_around : around + n_around] in fragment for fragment in fragments)
        n = n_ref if change == "duplication" else n_alt + n_ref
        low, high = stats.binomtest(n_alt, n).proportion_ci(0.9999)
        assert low < vaf < high, (place, n_alt, n)


def test_both_strands_of_a_molecule_have_its_umis_in_opposite_order() -> None:
    run = _run(sample("A"))
    families: dict[tuple[str, str], set[str]] = {}
    for r1, _, _, r2 in _reads(run):
        if "N" not in r1 + r2:
            assert r1[5:7] == r2[5:7] == "CT"
            is_top = r1[7:] in REFERENCE
            left, right = (r1, r2) if is_top else (r2, r1)
            key = left[:5] + right[:5], left[7:27]
            families.setdefault(key, set()).add("top" if is_top else "bottom")
    both = sum(len(strands) == 2 for strands in families.values())
    assert both > 0.3 * len(families)


def test_oxidation_is_g_to_t_on_the_sequenced_strand_alone() -> None:
    found = _pairs(_run_without_snp(QUIET.model_copy(update={"oxidation": 0.01})))
    assert {pair for pair in found if pair[0] != pair[1] and pair[1] != "N"} == {("G", "T")}
    n_g = found["G", "G"] + found["G", "T"]
    assert found["G", "T"] / n_g == pytest.approx(0.01, rel=0.35)


def test_deamination_is_c_to_t_on_the_sequenced_strand_alone() -> None:
    found = _pairs(_run_without_snp(QUIET.model_copy(update={"deamination": 0.01})))
    assert {pair for pair in found if pair[0] != pair[1] and pair[1] != "N"} == {("C", "T")}


def test_damage_copied_by_end_repair_is_c_to_t_near_the_start_of_read_1() -> None:
    run = _run_without_snp(QUIET.model_copy(update={"end_repair": 0.05, "end_repair_bases": 8}))
    assert {pair for pair in _pairs(run) if pair[0] != pair[1] and pair[1] != "N"} == {("C", "T")}
    places = set()
    for r1, *_ in _reads(run):
        for strand in (REFERENCE, reverse_complement(REFERENCE)):
            at = strand.find(r1[-20:]) - 33
            if at >= 0:
                places |= {i for i in range(33) if strand[at + i] == "C" and r1[7 + i] == "T"}
    assert places == set(range(8))


def _after(pairs: dict[tuple[str, str], int], old: str, new: str) -> float:
    return pairs.get((old, new), 0) / sum(n for (base, _), n in pairs.items() if base == old)


def test_the_default_process_keeps_its_bytes() -> None:
    run = _run(sample("A"), sample("B"), process=Process(), seed=11)
    digest = hashlib.sha256(run.clusters.calls.tobytes()).hexdigest()
    assert digest == "361cfc9d77af143d8fd5a565914601bddf12c82834c42bfad94b7887f216fb20"


def test_stretches_of_damage_are_of_their_share_and_strand() -> None:
    changes = {"damaged_fraction": 0.25, "damaged_bases": 400}
    found = _pairs(_run_without_snp(QUIET.model_copy(update=changes | {"damaged_oxidation": 0.02})))
    assert _after(found, "G", "T") == pytest.approx(0.0046, abs=0.0015)
    assert {pair for pair in found if pair[0] != pair[1] and pair[1] != "N"} == {("G", "T")}
    found = _pairs(_run_without_snp(QUIET.model_copy(update=changes | {"damaged_deamination": 0.02})))
    assert _after(found, "C", "T") == pytest.approx(0.0046, abs=0.0015)


def test_jackpots_are_shared_by_all_reads_of_a_strand() -> None:
    run = simulate(3, GENOME, panel(1e-9), design(sample("A"), process=QUIET.model_copy(update={"jackpot": 2e-3})))
    families: dict[tuple[str, str], list[str]] = {}
    for one, _, _, two in _reads(run):
        if "N" not in one + two:
            families.setdefault((one[:5], two[:5]), []).append(one[7:])
    several = [set(reads) for reads in families.values() if len(reads) > 1]
    wrong = [reads for reads in several if not any(next(iter(reads)) in strand for strand in _STRANDS)]
    assert len(wrong) > 20
    assert sum(len(reads) > 1 for reads in wrong) < 0.05 * len(wrong)


def test_a_base_without_signal_is_read_as_g() -> None:
    found = _pairs(_run_without_snp(QUIET.model_copy(update={"dark_base": 0.01})))
    assert {pair for pair in found if pair[0] != pair[1] and pair[1] != "N"} == {("A", "G"), ("C", "G"), ("T", "G")}
    assert _after(found, "A", "G") == pytest.approx(0.01, abs=0.002)


@pytest.mark.compiled
def test_misstated_qualities_stand_after_gg_and_runs_and_late() -> None:
    plain = QUIET.model_copy(update={"misreport": 1.0})
    rates = {}
    for name in ("none", "misreport_after_gg", "misreport_after_run", "misreport_late"):
        process = plain if name == "none" else plain.model_copy(update={name: 20.0})
        run = _run_without_snp(process)
        rates[name] = _wrong_after_gg(run)
    assert rates["misreport_after_gg"][0] > 8 * rates["none"][0]
    assert rates["misreport_after_gg"][1] < 1.2 * rates["none"][1]
    assert rates["misreport_late"][2] > 8 * rates["none"][2]
    assert rates["misreport_after_run"][3] > 8 * rates["none"][3]


_STRANDS = (*TEXTS.values(), *(reverse_complement(bases) for bases in TEXTS.values()))


def _wrong_after_gg(run: Simulated) -> tuple[float, float, float, float]:
    """Return the share of wrong bases of read 1 after GG, elsewhere, in its last quarter, after four equal bases."""
    wrong, all_ = np.zeros(4), np.zeros(4)
    for read, *_ in _reads(run):
        for strand in _STRANDS:
            start = strand.find(read[7:27]) - 7
            if 0 <= start < len(strand) - 60:
                for at in range(27, 60):
                    before, is_wrong = strand[start + at - 4 : start + at], strand[start + at] != read[at]
                    kinds = (before.endswith("GG"), not before.endswith("GG") and len(set(before)) > 1 and at < 45)
                    for kind, holds in enumerate((*kinds, at >= 45, len(set(before)) == 1)):
                        all_[kind] += holds
                        wrong[kind] += holds and is_wrong and read[at] != "N"
    shares = wrong / all_
    return float(shares[0]), float(shares[1]), float(shares[2]), float(shares[3])


def test_stutter_changes_the_length_of_a_homopolymer_alone() -> None:
    bases = TEXTS["one"][:590] + "CAAAAAAAAAC" + TEXTS["one"][601:]
    columns = genome()[0]._replace(bases=codes(bases + TEXTS["two"]))
    plan = design(sample("A"), process=QUIET.model_copy(update={"stutter": 0.02}))
    reads = _reads(simulate(3, columns, panel(1e-9), plan))
    left, right = bases[582:591], bases[600:608]
    runs = {n: sum(left + "A" * n + right in r1 for r1, *_ in reads) for n in (7, 8, 9, 10, 11)}
    assert runs[9] > runs[8] > runs[10] > 0
    assert runs[7] == runs[11] == 0


def test_base_errors_occur_as_often_as_quality_and_misreport_say() -> None:
    run = _run(sample("A"), process=QUIET.model_copy(update={"misreport": 3.0, "poor_read_fraction": 0.5}))
    wrong, total = np.zeros(4), np.zeros(4)
    for row in run.clusters.calls[run.clusters.sample == 0]:
        for i, base in enumerate("CT"):
            call = int(row[5 + i])
            total[call >> 2] += 1
            wrong[call >> 2] += "ACGT"[call & 3] != base
    assert wrong[0] == total[0]
    for quality_bin, phred in ((1, 12), (2, 23)):
        expected = 3.0 * 10 ** (-phred / 10)
        assert stats.binomtest(int(wrong[quality_bin]), int(total[quality_bin]), expected).pvalue > 1e-4


def test_contaminated_snps_have_the_expected_share() -> None:
    run = simulate(
        3,
        GENOME,
        panel(0.5),
        design(sample("A", other=Contamination(sample_id="B", fraction=0.2)), sample("B")),
    )
    own, other = ({tuple(row[:4]): row for row in rows if row.kind != "planted"}.get(tuple(SNP)) for rows in run.truth)
    expected = 0.8 * (own.vaf if own and own.kind != "contaminant" else 0.0) + 0.2 * (other.vaf if other else 0.0)
    seen = own.n_carrying / own.n_covering if own else 0.0
    if own and own.kind == "contaminant":
        assert own.vaf == pytest.approx(expected)
        assert stats.binomtest(own.n_carrying, own.n_covering, own.vaf).pvalue > 1e-4
    elif own:
        assert stats.binomtest(own.n_carrying, own.n_covering, own.vaf).pvalue > 1e-4
    else:
        assert seen == 0.0


def test_a_contaminants_planted_variant_comes_over_in_proportion() -> None:
    planted = (Planted(allele=f"two:451:{TEXTS['two'][450]}>{reverse_complement(TEXTS['two'][450])}", vaf=0.5),)
    run = _run(sample("A", other=Contamination(sample_id="B", fraction=0.3)), sample("B", planted))
    row = next(row for row in run.truth[0] if row.contig == "two")
    assert row.kind == "contaminant"
    assert row.vaf == pytest.approx(0.15)
    assert stats.binomtest(row.n_carrying, row.n_covering, 0.15).pvalue > 1e-4


def test_hopped_pairs_carry_one_index_of_another_sample() -> None:
    run = _run(sample("A"), sample("B"), process=QUIET.model_copy(update={"index_hopping": 0.2}))
    pairs = [(i1, i2) for _, i1, i2, _ in _reads(run) if "N" not in i1 + i2]
    mixed = {("ACGTACGT", "GGATCCTA"), ("TTGCAACC", "CATGCATG")}
    n_mixed = sum(pair in mixed for pair in pairs)
    assert set(pairs) == mixed | {("ACGTACGT", "CATGCATG")}
    assert stats.binomtest(n_mixed, len(pairs), 0.2).pvalue > 1e-4


def test_adapter_dimers_read_straight_into_the_adapter() -> None:
    dimer = sample("A").model_copy(update={"molecules_per_target": 0.0, "adapter_dimers": 40})
    run = _run(dimer)
    reads = _reads(run)
    assert len(reads) == 40
    for r1, _, _, r2 in reads:
        if "N" not in r1 + r2:
            assert r1[7:9] == r2[7:9] == "AG"
            assert r1[9:14] == reverse_complement(r2[:5])
            assert r1[14:47] == "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA"
            assert r2[14:47] == "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT"
            assert r1[47:] == "G" * 13


def test_fragment_lengths_have_their_mode_at_one_nucleosome_and_waves_below() -> None:
    share = np.diff(length_shares(Process()), prepend=0.0)
    assert int(share.argmax()) + FIRST_LENGTH == 167
    peaks = [i + FIRST_LENGTH for i in range(1, 118) if share[i - 1] < share[i] > share[i + 1]]
    steps = [b - a for a, b in pairwise(peaks)]
    assert len(peaks) >= 6
    assert all(9 <= step <= 12 for step in steps)
    around_two = share[300 - FIRST_LENGTH : 360 - FIRST_LENGTH].sum()
    assert around_two == pytest.approx(Process().dinucleosome_fraction, rel=0.25)


def test_expected_error_lies_between_the_best_and_the_worst_bin() -> None:
    percent = expected_error_percent(sequencing_columns(design(sample("A"), process=Process())))
    assert percent.shape == (136,)
    assert (percent > 100 * 1.5 * 10**-3.7).all()
    assert percent[59] > percent[0]


@pytest.mark.parametrize(
    ("allele", "message"),
    [
        (
            "EGFR p.(Leu858Arg)",
            "sample A: found allele `EGFR p.(Leu858Arg)`, which is neither; use contig:pos1:ref>alt",
        ),
        ("three:5:A>C", "found allele three:5:A>C on an unknown contig; known: one, two"),
        ("one:641:G>T", "found allele one:641:G>T, but the reference has A there; correct the allele"),
        ("one:99999:G>T", "found allele one:99999:G>T, but the reference has no base there"),
        ("one:641:A>" + "C" * 201, "of more than 200 bases; plant a shorter one"),
    ],
)
def test_alleles_that_do_not_fit_are_refused(allele: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        _run(sample("A", (Planted(allele=allele, vaf=0.1),)))
    assert message in str(caught.value)


def test_too_many_alleles_are_refused() -> None:
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    planted = tuple(
        Planted(allele=f"one:{i + 1}:{TEXTS['one'][i]}>{other[TEXTS['one'][i]]}", vaf=0.1) for i in range(560, 630)
    )
    with pytest.raises(InputError, match="found 71 alleles, at most 64 can be followed; plant fewer variants"):
        _run(sample("A", planted))
