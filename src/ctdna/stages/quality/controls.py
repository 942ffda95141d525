"""The controls of a run: what the positive control must show and what a no-template control must not."""

from typing import NamedTuple

from ctdna.model.base import Text
from ctdna.model.kit import Controls, ExpectedVariant
from ctdna.model.qc import ControlFinding, NoTemplateCheck


class Seen(NamedTuple):
    """What the call stage says of one allele."""

    vaf: float
    alt_molecules: int
    depth: int
    is_called: bool
    """It passed every filter."""


Allele = tuple[str, int, str, str]
"""Contig, 1-based position, reference, alternate."""


def _judge(expected: ExpectedVariant, seen: Seen | None) -> tuple[bool, Text | None]:
    if seen is None:
        return False, Text(en="The variant was not seen at all.", zh="完全未见该变异。")
    if not seen.is_called:
        return False, Text(en="The variant was seen, but not called.", zh="见到该变异，但未被判定为检出。")
    if not expected.vaf_min <= seen.vaf <= expected.vaf_max:
        span = f"{expected.vaf_min:.2%} - {expected.vaf_max:.2%}"
        return False, Text(
            en=f"Its VAF of {seen.vaf:.2%} lies outside {span}.", zh=f"其 VAF {seen.vaf:.2%} 超出范围 {span}。"
        )
    return True, None


def positive_control(controls: Controls, seen: dict[Allele, Seen]) -> tuple[ControlFinding, ...]:
    """Return what was found of each variant that a positive control must show, in the kit's order."""
    findings = []
    for expected in controls.positive:
        found = seen.get((expected.contig, expected.pos1, expected.ref, expected.alt))
        is_right, reason = _judge(expected, found)
        findings.append(
            ControlFinding(
                label=expected.label,
                contig=expected.contig,
                pos1=expected.pos1,
                ref=expected.ref,
                alt=expected.alt,
                vaf_min=expected.vaf_min,
                vaf_max=expected.vaf_max,
                vaf=found.vaf if found else None,
                alt_molecules=found.alt_molecules if found else None,
                depth=found.depth if found else None,
                status="pass" if is_right else "fail",
                reason=reason,
            )
        )
    return tuple(findings)


def no_template(sample_id: str, controls: Controls, n_molecules: int) -> NoTemplateCheck:
    """Return whether a no-template control holds no more molecules on target than the kit allows."""
    return NoTemplateCheck(
        sample_id=sample_id,
        molecules_on_target=n_molecules,
        max_molecules=controls.ntc_max_molecules,
        status="pass" if n_molecules <= controls.ntc_max_molecules else "fail",
    )
