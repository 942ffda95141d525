"""Slow, obvious twins of the group stage: clusters by comparing all with all, templates as plain tuples."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from typing import NamedTuple


def distance(a: str, b: str) -> int:
    """Return the mismatches of two texts of one length."""
    return sum(x != y for x, y in zip(a, b, strict=True))


def clusters(counts: dict[str, int], edits: int, gradient: bool) -> dict[str, str]:
    """Return for each UMI the UMI that founded its cluster."""
    free = sorted(counts, key=lambda umi: (-counts[umi], umi))
    founder: dict[str, str] = {}
    for seed in list(free):
        if seed in founder:
            continue
        founder[seed] = seed
        queue = [seed]
        while queue:
            parent = queue.pop(0)
            for child in free:
                fits = not gradient or counts[child] <= counts[parent] // 2 + 1
                if child not in founder and fits and distance(parent, child) <= edits:
                    founder[child] = seed
                    queue.append(child)
    return founder


class Template(NamedTuple):
    """A template: its ends as (contig, 5' position, is reverse), read 1's first; None where not mapped."""

    name: str
    r1: tuple[int, int, int] | None
    r2: tuple[int, int, int] | None
    umi: str


_LAST = (10**9, 10**9, 0)


def molecules(templates: Iterable[Template], strategy: str, edits: int) -> set[frozenset[tuple[str, str]]]:
    """Return the molecules as sets of (template name, strand)."""
    places: dict[Hashable, list[tuple[Template, bool]]] = defaultdict(list)
    for template in templates:
        r1, r2 = template.r1 or _LAST, template.r2 or _LAST
        directions = () if strategy == "paired" else (r1[2], r2[2])
        places[(*sorted((r1, r2)), *directions)].append(
            (template, r1[:2] < r2[:2] or (r1[:2] == r2[:2] and r1[2] == 0))
        )
    found = set()
    for members in places.values():
        umis = {}
        for template, is_r1_lower in members:
            halves = template.umi.split("-")
            turned = strategy == "paired" and not is_r1_lower
            umis[template.name] = "-".join(halves[::-1] if turned else halves)
        founder = clusters(dict(Counter(umis.values())), 0 if strategy == "identity" else edits, strategy != "edit")
        by_founder: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for template, is_r1_lower in members:
            umi = umis[template.name]
            strand = ""
            if strategy == "paired":
                root = founder[umi]
                other = "-".join(umi.split("-")[::-1])
                turned = root != umi and distance(root, umi) >= distance(root, other) + 2 * (edits + 1)
                strand = "A" if is_r1_lower != turned else "B"
            by_founder[founder[umi]].add((template.name, strand))
        found |= {frozenset(some) for some in by_founder.values()}
    return found
