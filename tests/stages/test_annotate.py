"""Names of variants: published ones, and an outside library on random changes."""

import random
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.formats.fasta import Reference
from ctdna.kit.contents import KitContents, read_contents
from ctdna.kit.load import LoadedKit, load_kit
from ctdna.kit.reference import genome_of
from ctdna.model.annotation import Allele, Annotation, CommonSnp, ContigPlace, KnowledgeItem, Transcript
from ctdna.model.errors import InputError
from ctdna.model.params.annotate import AnnotateParams
from ctdna.stages.annotate import Annotator, Candidate, Sources, annotate
from ctdna.stages.annotation.change import Change, hgvs_g, shifted, trimmed
from ctdna.stages.annotation.effect import effect
from ctdna.stages.annotation.genome import Genome
from ctdna.stages.annotation.knowledge import KnowledgeIndex, matcher, one_letter
from ctdna.stages.annotation.sequence import reverse_complement
from ctdna.stages.annotation.transcripts import MappedTranscript
from tests.stages.csq_oracle import consequences
from tests.stages.hgvs_oracle import Oracle, Slices, exons_of, gene_rows

PARAMS = AnnotateParams(splice_region_bases=8, germline_alert_genes=("G",), chip_genes=("G",))


@pytest.fixture(scope="module")
def demo_annotator() -> tuple[LoadedKit, KitContents, Annotator]:
    kit = load_kit("ctdna-demo@1.0.0")
    contents = read_contents(kit)
    whole = {place.contig: "" for place in contents.contigs}
    name = ""
    for line in kit.path("reference.fa").read_text().splitlines():
        if line.startswith(">"):
            name = line[1:].split()[0]
        else:
            whole[name] += line.upper()
    genome = Genome(lambda contig, start0, end0: whole[contig][start0:end0], contents.contigs)
    sources = Sources(genome, contents.transcripts, contents.hotspots, contents.knowledge, contents.common_snps)
    return kit, contents, Annotator(sources, kit.definition.annotate, "")


def test_every_hotspot_of_the_demo_kit_gets_the_name_on_its_label(
    demo_annotator: tuple[LoadedKit, KitContents, Annotator],
) -> None:
    _, contents, annotator = demo_annotator
    assert len(contents.hotspots) > 30
    for hotspot in contents.hotspots:
        found = annotator.annotate(
            Candidate(Allele(hotspot.contig, hotspot.pos1 - 1, hotspot.ref, hotspot.alt), "", False)
        )
        name = found.hgvs_c if "c." in hotspot.label else found.hgvs_p
        assert f"{found.gene} {name}" == hotspot.label
        assert found.is_hotspot


@pytest.fixture(scope="module")
def real_annotator(real_data: Path) -> Iterator[Annotator]:
    """On the real slices, with every transcript of the gene models and TERT's promoter."""
    fasta = real_data / "reference" / "panel_hg38_slices.fa"
    places, transcripts = [], []
    with ExitStack() as stack:
        reference = stack.enter_context(Reference(fasta))
        for contig, length in reference.contigs:
            chrom, start, _ = contig.split("_")
            places.append(ContigPlace(contig, length, "", chrom, int(start) - 1))
        for gene, row in gene_rows(real_data).items():
            pairs = zip(row["exon_starts_1based"].split(","), row["exon_ends"].split(","), strict=True)
            exons = tuple((int(start) - 1, int(end)) for start, end in pairs)
            cds = int(row["cds_start_1based"]) - 1, int(row["cds_end"])
            strand = "+" if row["strand"] == "+" else "-"
            transcripts.append(Transcript(row["refseq"], gene, row["chrom"], strand, exons, *cds, row["protein"]))
        params = PARAMS.model_copy(update={"promoter_bases": 200})
        genome = genome_of(reference, tuple(places))
        yield Annotator(Sources(genome, tuple(transcripts), (), (), ()), params, "")


PUBLISHED = [
    ("chr7", 55191822, "T", "G", "EGFR", "c.2573T>G", "p.(Leu858Arg)", "missense_variant", "21/28"),
    ("chr7", 55181378, "C", "T", "EGFR", "c.2369C>T", "p.(Thr790Met)", "missense_variant", "20/28"),
    ("chr7", 55174771, "AGGAATTAAGAGAAGC", "A", "EGFR",
     "c.2235_2249del", "p.(Glu746_Ala750del)", "inframe_deletion", "19/28"),
    ("chr7", 55174776, "TTAAGAGAAGCAACATCTC", "T", "EGFR",
     "c.2240_2257del", "p.(Leu747_Pro753delinsSer)", "inframe_deletion", "19/28"),
    ("chr7", 55181310, "C", "CAGCGTGGAC", "EGFR",
     "c.2303_2311dup", "p.(Ser768_Asp770dup)", "inframe_insertion", "20/28"),
    ("chr7", 55181287, "C", "CTCCAGGAAGCCT", "EGFR",
     "c.2284-5_2290dup", "p.(Ala763_Tyr764insPheGlnGluAla)", "inframe_insertion", "20/28"),
    ("chr12", 25245350, "C", "T", "KRAS", "c.35G>A", "p.(Gly12Asp)", "missense_variant", "2/5"),
    ("chr12", 25245350, "CC", "AA", "KRAS", "c.34_35delinsTT", "p.(Gly12Phe)", "missense_variant", "2/5"),
    ("chr12", 25227342, "T", "C", "KRAS", "c.182A>G", "p.(Gln61Arg)", "missense_variant", "3/5"),
    ("chr7", 140753336, "A", "T", "BRAF", "c.1799T>A", "p.(Val600Glu)", "missense_variant", "15/18"),
    ("chr7", 140753336, "AC", "TT", "BRAF", "c.1798_1799delinsAA", "p.(Val600Lys)", "missense_variant", "15/18"),
    ("chr3", 179234297, "A", "G", "PIK3CA", "c.3140A>G", "p.(His1047Arg)", "missense_variant", "21/21"),
    ("chr17", 7675088, "C", "T", "TP53", "c.524G>A", "p.(Arg175His)", "missense_variant", "5/11"),
    ("chr17", 7674945, "G", "A", "TP53", "c.586C>T", "p.(Arg196Ter)", "stop_gained", "6/11"),
    ("chr17", 43124027, "ACT", "A", "BRCA1", "c.68_69del", "p.(Glu23ValfsTer17)", "frameshift_variant", "2/23"),
    ("chr17", 43057062, "T", "TG", "BRCA1", "c.5266dup", "p.(Gln1756ProfsTer74)", "frameshift_variant", "19/23"),
    ("chr13", 32340300, "GT", "G", "BRCA2", "c.5946del", "p.(Ser1982ArgfsTer22)", "frameshift_variant", "11/27"),
    ("chr4", 54733155, "A", "T", "KIT", "c.2447A>T", "p.(Asp816Val)", "missense_variant", "17/21"),
    ("chr5", 1295113, "G", "A", "TERT", "c.-124C>T", "", "upstream_gene_variant", ""),
    ("chr3", 10142187, "G", "A", "VHL", "c.340G>A", "p.(Gly114Ser)", "missense_variant", "1/3"),
    ("chr3", 10142188, "G", "A", "VHL", "c.340+1G>A", "p.?", "splice_donor_variant", ""),
]  # fmt: skip


@pytest.mark.req("REQ-ANN-001")
@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row[4]} {row[5]}")
def test_published_names(
    real_annotator: Annotator, real_data: Path, row: tuple[str, int, str, str, *tuple[str, ...]]
) -> None:
    chrom, pos1, ref, alt, gene, hgvs_c, hgvs_p, term, exon = row
    slices = Slices(real_data / "reference" / "panel_hg38_slices.fa")
    contig, start = next((name, low) for c, low, high, name in slices.places if c == chrom and low < pos1 <= high)
    found = real_annotator.annotate(Candidate(Allele(contig, pos1 - 1 - start, ref, alt), "", False))
    assert (found.gene, found.hgvs_c, found.hgvs_p, found.consequence[0], found.exon) == (
        gene,
        hgvs_c,
        hgvs_p,
        term,
        exon,
    )
    assert found.genome_pos == f"{chrom}:{pos1}"
    assert found.hgvs_g.startswith(f"{chrom}:g.")


GENES = ("EGFR", "KRAS", "TP53", "VHL", "BRCA1", "KIT")


def random_change(rng: random.Random, chrom: str, low: int, high: int, slices: Slices) -> Change:
    at, size = rng.randrange(low, high), rng.choice([1, 1, 2, 3, 3, 4, 6, 9, 12])
    held = slices.bases(chrom, at, at + size)
    new = "".join(rng.choice("ACGT") for _ in range(rng.choice([1, 2, 3, 6])))
    kinds = [
        (held[0], rng.choice("ACGT")),
        (held, ""),
        ("", new),
        ("", slices.bases(chrom, at - size, at)),
        (held, new),
    ]
    return trimmed(Allele(chrom, at, *rng.choice(kinds)))


@pytest.mark.req("REQ-ANN-001")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library leaves a file open
def test_names_within_exons_agree_with_the_hgvs_library(real_annotator: Annotator, real_data: Path) -> None:
    """Away from exons' edges, start and stop, where both follow the same rules; `inv` is written `delins` here."""
    oracle, rng = Oracle(real_data, GENES), random.Random(20210203)
    mapped = {item.transcript.gene: item for item in real_annotator._mapped}
    n = 0
    while n < 600:
        gene = rng.choice(GENES)
        transcript = mapped[gene].transcript
        low, high = rng.choice(transcript.exons)
        low, high = max(low, transcript.cds_start0 + 30) + 25, min(high, transcript.cds_end0 - 30) - 25
        if high - low < 20:
            continue
        change = random_change(rng, transcript.contig, low, high, oracle.slices)
        if change.ref == change.alt or (len(change.ref) > 1 and change.alt == reverse_complement(change.ref)):
            continue
        n += 1
        mine = effect(change, mapped[gene], real_annotator._genome, 8)
        hgvs_c, hgvs_p = oracle.names(gene, change.start0, change.ref, change.alt)
        assert mine.hgvs_c == hgvs_c
        # what follows an inserted stop is never translated; the library writes it, and a multi-residue `=` differs
        if "Ter" in hgvs_p and "stop_gained" in mine.terms and "fs" not in hgvs_p:
            assert "Ter)" in mine.hgvs_p
        elif mine.terms[0] == "synonymous_variant":
            assert hgvs_p.endswith("=)")
        else:
            assert mine.hgvs_p == hgvs_p, (gene, change)


def plus_and_minus() -> list[tuple[Genome, MappedTranscript]]:
    """The same gene on both strands: 10 bases before, exon of 20 (UTR 5, CDS 15), intron of 20, exon of 25 (CDS 15)."""
    exon1, intron, exon2 = "AACCTATGGCTGAACGTAAA", "GTAAGTCCCTTTTTCCCAAG", "CTGTGGAAATTCTGACAGGATCCAT"
    text = "TTTTTTTTTT" + exon1 + intron + exon2 + "CCCCCCCCCC"
    both = []
    for strand, bases in (("+", text), ("-", reverse_complement(text))):
        size = len(bases)
        exons = ((10, 30), (50, 75)) if strand == "+" else ((size - 75, size - 50), (size - 30, size - 10))
        cds = (15, 65) if strand == "+" else (size - 65, size - 15)
        genome = Genome(
            lambda contig, start0, end0, held=bases: held[start0:end0], (ContigPlace("c", size, "", "c", 0),)
        )
        transcript = Transcript("T.1", "G", "c", "+" if strand == "+" else "-", exons, *cds, "")
        both.append((genome, MappedTranscript(transcript, genome)))
    return both


BY_HAND = [
    # at (0-based in the gene's own direction), ref, alt, c., p., first term
    (15, "A", "G", "c.1A>G", "p.(Met1?)", "start_lost"),
    (12, "C", "G", "c.-3C>G", "", "5_prime_UTR_variant"),
    (18, "G", "A", "c.4G>A", "p.(Ala2Thr)", "missense_variant"),
    (20, "T", "C", "c.6T>C", "p.(Ala2=)", "synonymous_variant"),
    (21, "G", "T", "c.7G>T", "p.(Glu3Ter)", "stop_gained"),
    (29, "A", "C", "c.15A>C", "p.(Lys5Asn)", "missense_variant"),
    (30, "G", "A", "c.15+1G>A", "p.?", "splice_donor_variant"),
    (34, "G", "A", "c.15+5G>A", "", "splice_region_variant"),
    (39, "T", "A", "c.15+10T>A", "", "intron_variant"),
    (40, "T", "A", "c.16-10T>A", "", "intron_variant"),
    (48, "A", "G", "c.16-2A>G", "p.?", "splice_acceptor_variant"),
    (50, "C", "", "c.16del", "p.(Leu6CysfsTer?)", "frameshift_variant"),
    (54, "G", "A", "c.20G>A", "p.(Trp7Ter)", "stop_gained"),
    (56, "AAA", "", "c.22_24del", "p.(Lys8del)", "inframe_deletion"),
    (56, "", "AAA", "c.22_24dup", "p.(Lys8dup)", "inframe_insertion"),
    (56, "", "GGG", "c.21_22insGGG", "p.(Trp7_Lys8insGly)", "inframe_insertion"),
    (62, "T", "C", "c.28T>C", "p.(Ter10ArgextTer?)", "stop_lost"),
    (63, "G", "A", "c.29G>A", "p.(Ter10=)", "stop_retained_variant"),
    (66, "A", "G", "c.*2A>G", "", "3_prime_UTR_variant"),
    (28, "AAG", "", "c.14_15+1del", "p.?", "splice_donor_variant"),
]


@pytest.mark.req("REQ-ANN-001", "REQ-ANN-002")
@pytest.mark.parametrize("strand", [0, 1], ids=["plus", "minus"])
@pytest.mark.parametrize("row", BY_HAND, ids=lambda row: str(row[3]))
def test_names_by_hand_on_both_strands(strand: int, row: tuple[int, str, str, str, str, str]) -> None:
    genome, mapped = plus_and_minus()[strand]
    at, ref, alt, hgvs_c, hgvs_p, term = row
    if strand:
        at, ref, alt = 85 - at - len(ref), reverse_complement(ref), reverse_complement(alt)
    assert genome.bases("c", at, at + len(ref)) == ref if ref else True
    found = effect(Change("c", at, at + len(ref), ref, alt), mapped, genome, 8)
    assert (found.hgvs_c, found.hgvs_p, found.terms[0]) == (hgvs_c, hgvs_p, term)


@pytest.mark.req("REQ-ANN-003")
@given(st.text("ACGT", min_size=30, max_size=30), st.integers(8, 20), st.text("ACGT", max_size=4), st.integers(0, 4))
@settings(max_examples=200, deadline=None)
def test_a_change_moves_without_changing_and_is_named_alike_however_it_is_written(
    bases: str, at: int, alt: str, n_ref: int
) -> None:
    genome = Genome(lambda contig, start0, end0: bases[start0:end0], (ContigPlace("c", len(bases), "", "c", 0),))
    ref = bases[at : at + n_ref]
    result = bases[:at] + alt + bases[at + n_ref :]
    plain = trimmed(Allele("c", at, ref, alt))
    before, behind = bases[at - 3 : at], bases[at + n_ref : at + n_ref + 2]
    padded = trimmed(Allele("c", at - 3, before + ref + behind, before + alt + behind))
    for change in (plain, padded):
        for to_right in (True, False):
            moved = shifted(change, genome, to_right)
            assert bases[moved.start0 : moved.end0] == moved.ref
            assert bases[: moved.start0] + moved.alt + bases[moved.end0 :] == result
        if plain.is_shiftable and plain.ref != plain.alt:
            assert shifted(change, genome, True) == shifted(plain, genome, True)
            assert hgvs_g(change, genome) == hgvs_g(plain, genome)


def item(variant: str = "p.A2T", **values: str) -> KnowledgeItem:
    given = {
        "id": "K1",
        "gene": "G",
        "variant": variant,
        "disease": "Lung Cancer",
        "therapy": "Drug",
        "evidence_type": "Predictive",
        "significance": "Sensitivity/Response",
        "direction": "Supports",
        "level": "A",
        "tier": "I",
        "rating": "5",
        "citation": "Somebody, 2020",
        "source": "PubMed:1",
        "date": "2020-01-01",
    } | values
    return KnowledgeItem(**given)  # type: ignore[arg-type]


def one(candidate: Candidate, items: tuple[KnowledgeItem, ...], diagnosis: str = "", **params: object) -> Annotation:
    genome, mapped = plus_and_minus()[0]
    snps = (CommonSnp("c", 21, "T", "C", 0.3), CommonSnp("c", 19, "G", "A", 0.3))
    sources = Sources(genome, (mapped.transcript,), (), items, snps)
    done, metrics = annotate([candidate], sources, PARAMS.model_copy(update=params), "S1", diagnosis)
    assert metrics.n_in == metrics.n_out == 1
    return done[0]


A2T = Candidate(Allele("c", 18, "G", "A"), "line 5", is_marked_germline=True)


@pytest.mark.req("REQ-ANN-004")
@pytest.mark.parametrize(
    ("items", "diagnosis", "tier", "rule"),
    [
        ((), "", "III", "no_evidence"),
        ((item(),), "", "I", "evidence_diagnosis_unknown"),
        ((item(),), "lung cancer", "I", "evidence_same_disease"),
        ((item(),), "Lung Adenocarcinoma", "I", "evidence_same_disease"),
        ((item(),), "Melanoma", "II", "evidence_other_disease"),
        ((item(direction="Does Not Support"),), "", "III", "no_evidence"),
        ((item(evidence_type="Functional"),), "", "III", "no_evidence"),
        ((item(tier="II", level="D"), item(id="K2")), "", "I", "evidence_diagnosis_unknown"),
        ((item(gene="OTHER"),), "", "III", "no_evidence"),
    ],
)
def test_tier_follows_the_strongest_evidence(
    items: tuple[KnowledgeItem, ...], diagnosis: str, tier: str, rule: str
) -> None:
    found = one(A2T, items, diagnosis, broader_diseases={"Lung Adenocarcinoma": ("Lung Cancer",)})
    assert (found.tier, found.tier_rule) == (tier, rule)
    if tier in ("I", "II"):
        assert "Sensitivity/Response to Drug in Lung Cancer" in found.tier_reason


@pytest.mark.req("REQ-ANN-005")
def test_tier_of_common_and_silent_variants_and_the_alerts() -> None:
    silent = one(Candidate(Allele("c", 20, "T", "C"), "", True), ())
    assert (silent.tier, silent.tier_rule) == ("IV", "protein_unchanged")
    assert not silent.is_chip_gene
    assert not silent.is_germline_alert
    common = one(A2T, (), common_frequency=0.01)
    assert (common.tier, common.tier_rule) == ("IV", "common_in_population")
    assert common.is_chip_gene
    assert common.is_germline_alert
    assert not one(A2T._replace(is_marked_germline=False), ()).is_germline_alert


@pytest.mark.req("REQ-ANN-004")
@pytest.mark.parametrize(
    ("variant", "at", "ref", "alt", "holds"),
    [
        ("p.A2T", 18, "G", "A", True),
        ("p.A2", 18, "G", "A", True),
        ("p.A2V", 18, "G", "A", False),
        ("c.4G>A", 18, "G", "A", True),
        ("any mutation", 18, "G", "A", True),
        ("any mutation", 20, "T", "C", False),
        ("truncating", 21, "G", "T", True),
        ("truncating", 18, "G", "A", False),
        ("p.L6fs", 50, "C", "", True),
        ("p.K8del", 56, "AAA", "", True),
        ("exon 2 deletion", 56, "AAA", "", True),
        ("exon 1 deletion", 56, "AAA", "", False),
        ("exon 2 insertion", 56, "", "GGG", True),
        ("exon 1 skipping", 30, "G", "A", True),
        ("exon 2 skipping", 48, "A", "G", True),
        ("exon 2 skipping", 30, "G", "A", False),
        ("exon 1 mutation", 18, "G", "A", True),
    ],
)
def test_knowledge_is_matched_by_every_form(variant: str, at: int, ref: str, alt: str, holds: bool) -> None:
    genome, mapped = plus_and_minus()[0]
    found = effect(Change("c", at, at + len(ref), ref, alt), mapped, genome, 8)
    assert bool(KnowledgeIndex([item(variant)]).about(found)) == holds


def test_unknown_form_of_knowledge_is_refused() -> None:
    assert matcher("V600E and friends") is None
    with pytest.raises(InputError, match=r"K1: variant `V600E and friends` has no known form; allowed: p\.L858R"):
        KnowledgeIndex([item("V600E and friends")])


def test_one_letter_names() -> None:
    assert one_letter("p.(Glu746_Ala750del)") == "E746_A750del"
    assert one_letter("p.(Arg196Ter)") == "R196*"
    assert one_letter("p.?") == one_letter("") == ""


def test_a_variant_outside_of_every_transcript_is_intergenic() -> None:
    found = one(Candidate(Allele("c", 2, "T", "G"), "", False), ())
    assert found.consequence == ("intergenic_variant",)
    assert found.hgvs_g == "c:g.3T>G"
    assert (found.gene, found.hgvs_c, found.exon) == ("", "", "")


@pytest.mark.req("REQ-ANN-006")
def test_wrong_reference_is_named_with_the_record() -> None:
    with pytest.raises(InputError, match=re.escape("line 7: REF is A, the reference has G there")):
        one(Candidate(Allele("c", 18, "A", "C"), "line 7", False), ())
    with pytest.raises(InputError, match="contig chrX is not in the reference"):
        one(Candidate(Allele("chrX", 18, "A", "C"), "line 7", False), ())


@pytest.mark.req("REQ-ANN-002")
def test_consequences_agree_with_bcftools_csq(real_annotator: Annotator, real_data: Path, tmp_path: Path) -> None:
    """Single substitutions over exons and their edges, short insertions and deletions within coding exons."""
    fasta = real_data / "reference" / "panel_hg38_slices.fa"
    rows = [gene_rows(real_data)[gene] for gene in ("EGFR", "KIT", "VHL", "BRCA1", "BRCA2", "RAF1", "TERT")]
    slices, rng = Slices(fasta), random.Random(7)
    alleles: list[tuple[str, int, str, str]] = []
    while len(alleles) < 1500:
        row = rng.choice(rows)
        low, high = rng.choice(exons_of(row))
        is_indel = rng.random() < 0.3
        if is_indel:
            low, high = max(low, int(row["cds_start_1based"]) + 12) + 15, min(high, int(row["cds_end"]) - 12) - 25
        if high - low < 5:
            continue
        at = rng.randrange(low, high) if is_indel else rng.randrange(low - 12, high + 12)
        held = [item for item in slices.places if item[0] == row["chrom"] and item[1] <= at < item[2]]
        _, start, _, contig = held[0]
        ref = slices.bases(row["chrom"], at, at + (rng.choice([2, 3, 4, 7]) if is_indel and rng.random() < 0.5 else 1))
        alt = rng.choice([base for base in "ACGT" if base != ref[0]])
        if is_indel:
            alt = ref[0] if len(ref) > 1 else ref + "".join(rng.choice("ACGT") for _ in range(rng.choice([1, 2, 3, 6])))
        alleles.append((contig, at - start, ref, alt))
    n_coding = 0
    for allele, expected in zip(alleles, consequences(tmp_path, fasta, rows, alleles), strict=True):
        found = set(real_annotator.annotate(Candidate(Allele(*allele), "", False)).consequence)
        if expected <= {"intron_variant"}:  # the library is given no untranslated regions
            assert found <= {"intron_variant", "5_prime_UTR_variant", "3_prime_UTR_variant", "upstream_gene_variant",
                             "intergenic_variant"}  # fmt: skip
        elif expected == {"splice_region_variant"}:
            assert "splice_region_variant" in found
        elif found - expected == {"stop_gained"}:  # a change that stops at once; it may name the length alone
            assert expected <= {"frameshift_variant", "inframe_deletion", "inframe_insertion"}
        elif expected - found == {"stop_gained"}:  # it adds one to some deletions whose protein, by hgvs, has none
            assert found == {"inframe_deletion"}
        else:
            n_coding += 1
            assert found == expected, allele
    assert n_coding > 900
