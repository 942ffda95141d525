"""What a change of the coding bases does to the protein, named by HGVS; always predicted, so in parentheses."""

from typing import NamedTuple

from ctdna.stages.annotation.sequence import THREE_LETTERS, spelled, to_stop, translate


class ProteinChange(NamedTuple):
    """The protein's change: its HGVS name and the Sequence Ontology term."""

    hgvs: str
    term: str


def protein_change(coding: str, n_coding: int, first: int, end: int, alt: str) -> ProteinChange:
    """Return the change when bases `[first, end)` of the coding sequence become `alt`.

    `coding` starts at the start codon and runs on into the 3' UTR; `n_coding` is the CDS with its stop.
    """
    changed = coding[:first] + alt + coding[end:]
    if first < 3 and changed[:3] != coding[:3]:
        return ProteinChange("p.(Met1?)", "start_lost")
    if end > n_coding:
        return _over_the_end(coding, changed)
    if (len(alt) - (end - first)) % 3:
        return _frameshift(coding, changed, first // 3)
    return _in_frame(coding, changed, first, end, len(alt))


def _name(residue: str, i: int) -> str:
    return f"{THREE_LETTERS[residue]}{i + 1}"


def _span(residues: str, start: int, end: int) -> str:
    """Return `Glu746_Ala750` for residues `[start, end)`, `Glu746` for one."""
    left = _name(residues[start], start)
    return left if end - start == 1 else f"{left}_{_name(residues[end - 1], end - 1)}"


def _frameshift(coding: str, changed: str, start: int) -> ProteinChange:
    before, after = to_stop(translate(coding)), to_stop(translate(changed))
    i = start
    while i < len(before) and i < len(after) and before[i] == after[i]:
        i += 1
    if before == after:
        return ProteinChange(f"p.(Ter{len(before)}=)", "stop_retained_variant")
    if i >= len(after) or i >= len(before) or "X" in (before[i], after[i]):
        return ProteinChange("p.?", "frameshift_variant")
    if before[i] == "*":
        return _extension(after, i)
    if after[i] == "*":
        return ProteinChange(f"p.({_name(before[i], i)}Ter)", "stop_gained")
    distance = str(len(after) - i) if after.endswith("*") and "X" not in after[i:] else "?"
    return ProteinChange(f"p.({_name(before[i], i)}{THREE_LETTERS[after[i]]}fsTer{distance})", "frameshift_variant")


def _over_the_end(coding: str, changed: str) -> ProteinChange:
    before, after = to_stop(translate(coding)), to_stop(translate(changed))
    if before == after:
        return ProteinChange(f"p.(Ter{len(before)}=)", "stop_retained_variant")
    found = _frameshift(coding, changed, 0)
    return found._replace(term="stop_lost") if found.term == "frameshift_variant" else found


def _extension(after: str, i: int) -> ProteinChange:
    known = after.endswith("*") and "X" not in after[i:]
    distance = str(len(after) - 1 - i) if known else "?"
    return ProteinChange(f"p.(Ter{i + 1}{THREE_LETTERS[after[i]]}extTer{distance})", "stop_lost")


def _in_frame(coding: str, changed: str, first: int, end: int, n_alt: int) -> ProteinChange:
    low = first // 3
    high = (max(end, first + bool(first % 3)) + 2) // 3
    grown = (n_alt - (end - first)) // 3
    whole = translate(coding)
    if (grown or end == first) and to_stop(whole) == to_stop(translate(changed)):
        return ProteinChange(f"p.(Ter{len(to_stop(whole))}=)", "stop_retained_variant")
    before, after = whole[low:high], to_stop(translate(changed[3 * low : 3 * (high + grown)]))
    if "X" in before + after:
        return ProteinChange("p.?", "coding_sequence_variant")
    if before == after:
        is_stop = before.endswith("*")
        return ProteinChange(f"p.({_span(whole, low, high)}=)", "stop_retained_variant" if is_stop else _SAME)
    while before and after and before[0] == after[0]:
        before, after, low = before[1:], after[1:], low + 1
    if "*" in before and "*" not in after:
        return _stop_lost(changed, low, before)
    if after.endswith("*") and not before.endswith("*"):
        return _early_stop(whole, low, before, after)
    return _replaced(whole, low, before, after)


_SAME = "synonymous_variant"


def _stop_lost(changed: str, low: int, before: str) -> ProteinChange:
    if before[0] != "*":
        return ProteinChange("p.?", "stop_lost")
    return _extension(to_stop(translate(changed)), low)


def _early_stop(whole: str, low: int, before: str, after: str) -> ProteinChange:
    while not before and after[0] == whole[low] != "*":
        after, low = after[1:], low + 1
    if after[0] == "*":
        return ProteinChange(f"p.({_name(whole[low], low)}Ter)", "stop_gained")
    if not before:
        return ProteinChange(f"p.({_span(whole, low - 1, low + 1)}ins{spelled(after)})", "stop_gained")
    return ProteinChange(f"p.({_span(whole, low, low + len(before))}delins{spelled(after)})", "stop_gained")


def _replaced(whole: str, low: int, before: str, after: str) -> ProteinChange:
    while before and after and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    if not after:
        return _deletion(whole, low, low + len(before))
    if not before:
        return _insertion(whole, low, after)
    if len(before) == len(after) == 1:
        return ProteinChange(f"p.({_name(before, low)}{THREE_LETTERS[after]})", "missense_variant")
    grown = len(after) - len(before)
    term = "inframe_insertion" if grown > 0 else "inframe_deletion" if grown else "missense_variant"
    return ProteinChange(f"p.({_span(whole, low, low + len(before))}delins{spelled(after)})", term)


def _deletion(whole: str, start: int, end: int) -> ProteinChange:
    while end < len(whole) and whole[start] == whole[end] and whole[end] not in "*X":
        start, end = start + 1, end + 1
    is_tail = end < len(whole) and whole[end] == "*"
    text = f"{_name(whole[start], start)}Ter" if is_tail else f"{_span(whole, start, end)}del"
    return ProteinChange(f"p.({text})", "inframe_deletion")


def _insertion(whole: str, at: int, unit: str) -> ProteinChange:
    while at < len(whole) and whole[at] == unit[0] and unit[0] != "*":
        unit, at = unit[1:] + unit[0], at + 1
    size = len(unit)
    if whole[max(at - size, 0) : at] == unit:
        return ProteinChange(f"p.({_span(whole, at - size, at)}dup)", "inframe_insertion")
    return ProteinChange(f"p.({_span(whole, at - 1, at + 1)}ins{spelled(unit)})", "inframe_insertion")
