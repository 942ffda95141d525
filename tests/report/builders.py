"""A realistic result, made by hand: a patient of the contrived demo panel with findings of every kind."""

import random

from ctdna.model.base import Text
from ctdna.model.qc import (
    ControlFinding,
    NoTemplateCheck,
    SampleQc,
)
from ctdna.model.result import (
    Finding,
    Interval,
    KitFacts,
    KnowledgeItem,
    Limits,
    MoleculeRow,
    Reads,
    ReadView,
    ReferenceFacts,
    ReportableLocus,
    Result,
    RunFacts,
    SampleFacts,
    StrandCount,
    TargetSummary,
    TierCount,
)
from ctdna.model.sample import Specimen
from ctdna.report.notices import notices_for

from .builders_qc import DIGEST, figure, sample_qc

__all__ = ["DIGEST", "figure", "sample_qc"]


def knowledge() -> tuple[KnowledgeItem, ...]:
    return (
        KnowledgeItem(
            id="EID229",
            disease="Lung Non-small Cell Carcinoma",
            therapy="Osimertinib",
            evidence_type="Predictive",
            significance="Sensitivity/Response",
            direction="Supports",
            level="A",
            citation="Soria et al., 2018",
            source="CIViC",
        ),
    )


def finding(**changes: object) -> Finding:
    values: dict[str, object] = {
        "state": "reported",
        "contig": "egfr",
        "pos1": 1573,
        "ref": "T",
        "alt": "G",
        "genome_pos": None,
        "gene": "EGFR",
        "transcript": "DEMO_EGFR.1",
        "exon": "21",
        "hgvs_g": "egfr:g.1573T>G",
        "hgvs_c": "DEMO_EGFR.1:c.2573T>G",
        "hgvs_p": "DEMO_EGFR_P.1:p.(Leu858Arg)",
        "consequence": "missense_variant",
        "variant_class": "snv",
        "target": "EGFR:21",
        "hotspot": True,
        "vaf": 0.00853,
        "vaf_low": 0.0055,
        "vaf_high": 0.0131,
        "depth": 2814,
        "ref_molecules": 2790,
        "alt_molecules": 24,
        "tiers": (
            TierCount(tier="duplex", ref=1510, alt=13),
            TierCount(tier="simplex3", ref=840, alt=8),
            TierCount(tier="pair2", ref=290, alt=2),
            TierCount(tier="single", ref=150, alt=1),
        ),
        "strands": StrandCount(ref_top=1402, ref_bottom=1388, alt_top=13, alt_bottom=11),
        "p_value": 3.1e-41,
        "q_value": 8.0e-38,
        "background": 2.1e-6,
        "lob": 0.0004,
        "lod95": 0.0013,
        "filters": (),
        "tier": "I",
        "tier_rule": "evidence_other_disease",
        "tier_reason": "Predictive evidence of level A (EID229): Sensitivity/Response to Osimertinib in Lung Non-small "
        "Cell Carcinoma; the sample's diagnosis is Lung adenocarcinoma",
        "knowledge": knowledge(),
        "chip": False,
        "germline_alert": False,
    }
    return Finding.model_validate({**values, **changes})


def findings() -> tuple[Finding, ...]:
    bare = {"knowledge": (), "tier_reason": "No clinical evidence in the kit's knowledge", "tier_rule": "no_evidence"}
    return (
        finding(),
        finding(
            pos1=1120,
            ref="GGAATTAAGAGAAGCA",
            alt="G",
            hgvs_g="egfr:g.1121_1135del",
            hgvs_c="DEMO_EGFR.1:c.2235_2249del",
            hgvs_p="DEMO_EGFR_P.1:p.(Glu746_Ala750del)",
            consequence="inframe_deletion",
            variant_class="indel",
            target="EGFR:19",
            vaf=0.0312,
            vaf_low=0.0251,
            vaf_high=0.0387,
            depth=2511,
            ref_molecules=2433,
            alt_molecules=78,
        ),
        finding(
            contig="tp53",
            pos1=742,
            ref="G",
            alt="A",
            gene="TP53",
            hgvs_g="tp53:g.742G>A",
            hgvs_c="DEMO_TP53.1:c.743G>A",
            hgvs_p="DEMO_TP53_P.1:p.(Arg248Gln)",
            target="TP53:7",
            vaf=0.0041,
            vaf_low=0.0021,
            vaf_high=0.0074,
            depth=2702,
            ref_molecules=2691,
            alt_molecules=11,
            tier="III",
            chip=True,
            **bare,
        ),
        finding(
            contig="pik3ca",
            pos1=633,
            ref="A",
            alt="G",
            gene="PIK3CA",
            hgvs_c="DEMO_PIK3CA.1:c.1633A>G",
            hgvs_p="DEMO_PIK3CA_P.1:p.(Glu545Gly)",
            state="possible_germline",
            filters=("germline",),
            germline_alert=True,
            vaf=0.487,
            vaf_low=0.468,
            vaf_high=0.506,
            depth=2650,
            ref_molecules=1359,
            alt_molecules=1291,
            tier="III",
            **bare,
        ),
        finding(
            contig="egfr",
            pos1=1302,
            ref="G",
            alt="A",
            hgvs_g="egfr:g.1302G>A",
            hgvs_c="DEMO_EGFR.1:c.2361G>A",
            hgvs_p="DEMO_EGFR_P.1:p.(Gln787=)",
            consequence="synonymous_variant",
            state="possible_germline",
            filters=("germline",),
            vaf=0.503,
            vaf_low=0.484,
            vaf_high=0.522,
            alt_molecules=1410,
            ref_molecules=1404,
            tier="IV",
            tier_rule="common_in_population",
            tier_reason="Common in the population (frequency 0.46); no clinical evidence in the kit",
            knowledge=(),
            hotspot=False,
        ),
        finding(
            contig="kras",
            pos1=36,
            ref="G",
            alt="T",
            gene="KRAS",
            hgvs_c="DEMO_KRAS.1:c.36G>T",
            hgvs_p="DEMO_KRAS_P.1:p.(Gly12=)",
            state="filtered",
            filters=("oxidation", "low_evidence"),
            vaf=0.0009,
            vaf_low=0.0002,
            vaf_high=0.0026,
            depth=2310,
            ref_molecules=2308,
            alt_molecules=2,
            tier=None,
            **bare,
        ),
    )


def loci() -> tuple[ReportableLocus, ...]:
    def locus(gene: str, label: str, pos1: int, ref: str, alt: str, state: str, **more: object) -> ReportableLocus:
        values: dict[str, object] = {
            "contig": gene.lower(),
            "pos1": pos1,
            "ref": ref,
            "alt": alt,
            "gene": gene,
            "label": label,
            "target": f"{gene}:2",
            "variant_class": "snv" if len(ref) == len(alt) == 1 else "indel",
            "state": state,
            "depth": 2500,
            "alt_molecules": 0,
            "lod95": 0.0016,
            "reason": None,
        }
        return ReportableLocus.model_validate({**values, **more})

    return (
        locus("EGFR", "p.(Leu858Arg)", 1573, "T", "G", "DETECTED", alt_molecules=24, depth=2814),
        locus("EGFR", "p.(Glu746_Ala750del)", 1120, "GGAATTAAGAGAAGCA", "G", "DETECTED", alt_molecules=78),
        locus("EGFR", "p.(Thr790Met)", 1369, "C", "T", "NOT_DETECTED", lod95=0.0031, alt_molecules=1),
        locus("EGFR", "p.(Cys797Ser)", 1389, "T", "A", "NOT_DETECTED", lod95=0.0014),
        locus("KRAS", "p.(Gly12Asp)", 35, "G", "A", "NOT_DETECTED", lod95=0.0028),
        locus("KRAS", "p.(Gly12Cys)", 34, "G", "T", "NO_CALL", reason="oxidation", alt_molecules=3, lod95=0.004),
        locus("KRAS", "p.(Gln61His)", 183, "A", "C", "NOT_DETECTED", lod95=0.0013),
        locus("BRAF", "p.(Val600Glu)", 799, "T", "A", "NOT_DETECTED", lod95=0.0015),
        locus("PIK3CA", "p.(His1047Arg)", 140, "A", "G", "NOT_DETECTED", lod95=0.0022),
        locus("PIK3CA", "p.(Glu545Lys)", 633, "G", "A", "NO_CALL", reason="lod_above_claim", depth=212, lod95=0.021),
        locus("TP53", "p.(Arg248Gln)", 742, "G", "A", "DETECTED", alt_molecules=11, depth=2702),
    )


def reads() -> Reads:
    rng = random.Random(11)
    reference = "".join(rng.choice("ACGT") for _ in range(20)) + "T" + "".join(rng.choice("ACGT") for _ in range(20))
    rows = []
    for i in range(36):
        is_alt = i < 24
        bases = ["."] * 41
        bases[20] = "G" if is_alt else "."
        for at in range(rng.choice((0, 0, 0, 4, 9))):
            bases[at] = " "
        if i % 9 == 4:
            bases[31] = "A" if reference[31] != "A" else "C"
        tier = "duplex" if i % 24 < 13 else "simplex3" if i % 24 < 21 else "pair2"
        rows.append(
            MoleculeRow(tier=tier, is_alt=is_alt, bases="".join(bases), insertions={30: "AC"} if i == 7 else {})
        )
    views = [
        ReadView(key="egfr:1573:T:G", start0=1552, reference=reference, n_alt=24, n_other=2790, rows=tuple(rows)),
    ]
    gap = "".join(rng.choice("ACGT") for _ in range(20)) + "GGAATTAAGAGAAGCA" + "ACATCTCCGAAAGCCAACAA"
    gaps = [
        MoleculeRow(
            tier="duplex" if i < 9 else "simplex3",
            is_alt=i < 14,
            bases="." * 21 + ("-" * 15 if i < 14 else "." * 15) + "." * 20,
            insertions={},
        )
        for i in range(20)
    ]
    key = "egfr:1120:GGAATTAAGAGAAGCA:G"
    views.append(ReadView(key=key, start0=1099, reference=gap, n_alt=78, n_other=2433, rows=tuple(gaps)))
    return Reads(schema_version=1, sample_id="P03-plasma", views=tuple(views))


def target_summaries() -> tuple[TargetSummary, ...]:
    return tuple(
        TargetSummary(
            target=item.target,
            contig=item.contig,
            start0=item.start0,
            end0=item.end0,
            n_positions=180,
            n_callable=180 if item.mean > 1000 else 96,
            depth_mean=item.mean,
            depth_min=item.min,
            lod95_median=4.2 / item.mean,
            lod95_max=6.1 / item.mean,
            uncovered=() if item.mean > 1000 else (Interval(start0=item.start0, end0=item.start0 + 84),),
        )
        for item in sample_qc().targets
    )


def kit_facts() -> KitFacts:
    return KitFacts(
        name="ctdna-demo",
        version="1.0.0",
        digest=DIGEST,
        state="development",
        title=Text(en="Demo plasma panel", zh="演示血浆检测组合"),
        intended_use=Text(
            en="Shows the software on simulated data. No clinical use.", zh="用于以模拟数据演示软件，不用于临床。"
        ),
        report_title=Text(en="Circulating tumour DNA report", zh="循环肿瘤 DNA 检测报告"),
        method=Text(
            en="Hybrid capture of cfDNA with duplex UMIs; consensus of each molecule's reads; calls against the kit's "
            "background.",
            zh="对 cfDNA 进行双链分子标签建库与杂交捕获，对每个分子的读段生成一致序列，并以试剂盒背景模型判定变异。",
        ),
        limitations=(
            Text(en="Changes outside the panel are not seen.", zh="无法检出检测区域以外的变异。"),
            Text(en="Insertions above 30 bases are not seen.", zh="无法检出 30 个碱基以上的插入。"),
        ),
        languages=("en", "zh"),
    )


def result(**changes: object) -> Result:
    specimen = Specimen(
        subject_id="SUBJ-0041",
        sex="F",
        diagnosis="Lung adenocarcinoma",
        stage="IV",
        treatment="Gefitinib, 9 months",
        tube="Streck cfDNA BCT",
        drawn_at="2026-03-02T08:40",
        plasma_separated_at="2026-03-02T11:05",
        plasma_ml=4.1,
        input_ng=14.0,
        kit_lot="DEMO-001",
        operator="op-2",
    )
    limits = Limits(claimed_lod=0.005, min_alt_molecules=3, low_input_ng=20.0, low_vaf=0.01)
    qc = changes.pop("qc", None) or sample_qc()
    assert isinstance(qc, SampleQc)
    found = changes.pop("findings", findings())
    hotspots = changes.pop("hotspots", loci())
    values: dict[str, object] = {
        "schema_version": 1,
        "state": "draft",
        "sample": SampleFacts(sample_id=qc.sample_id, role=qc.role, specimen=specimen),
        "run": RunFacts(run_id="260302_DEMO_0001_AHDEMO", instrument="DEMO1", flow_cell="HDEMO"),
        "kit": kit_facts(),
        "reference": ReferenceFacts(name="ctdna-demo", assembly="contrived"),
        "software": {"bwa": "0.7.17-r1188", "ctdna": "0.1.0"},
        "verdict": qc.verdict,
        "classes": qc.classes,
        "findings": found,
        "hotspots": hotspots,
        "targets": target_summaries(),
        "qc": qc,
        "run_qc": None,
        "limits": limits,
        "notices": notices_for(found, hotspots, qc, None, qc.classes, limits, 14.0, "contrived"),  # type: ignore[arg-type]
        "inputs": {"annotate.vcf.gz": DIGEST, "call.loci.tsv.gz": DIGEST, "filter.bam": DIGEST},
        "reads": None,
    }
    return Result.model_validate({**values, **changes})


def positive_control() -> Result:
    rows = (
        ("EGFR p.(Leu858Arg)", 1573, 0.0102, "pass"),
        ("KRAS p.(Gly12Asp)", 35, 0.0096, "pass"),
        ("BRAF p.(Val600Glu)", 799, 0.0021, "fail"),
    )
    controls = tuple(
        ControlFinding(
            label=label,
            contig="egfr",
            pos1=pos1,
            ref="T",
            alt="G",
            vaf_min=0.006,
            vaf_max=0.015,
            vaf=vaf,
            alt_molecules=int(vaf * 2500),
            depth=2500,
            status=status,  # type: ignore[arg-type]
            reason=None if status == "pass" else Text(en="Below its range.", zh="低于允许范围。"),
        )
        for label, pos1, vaf, status in rows
    )
    return result(qc=sample_qc(sample_id="PC-1", role="positive_control", controls=controls))


def no_template() -> Result:
    check = NoTemplateCheck(sample_id="NTC-1", molecules_on_target=3, max_molecules=20, status="pass")
    qc = sample_qc(sample_id="NTC-1", role="no_template_control", no_template=check)
    return result(qc=qc, findings=())
