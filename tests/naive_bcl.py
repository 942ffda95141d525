"""Slow twins of the kernels of base calls and barcodes."""


def bases_of(calls: list[int]) -> str:
    return "".join("N" if call == 0 else "ACGT"[call & 3] for call in calls)


def qualities_of(calls: list[int]) -> str:
    return "".join("#" if call == 0 else chr((call >> 2) + 33) for call in calls)


def fastq_record(name: str, tail: str, calls: list[int]) -> str:
    return f"@{name}{tail}\n{bases_of(calls)}\n+\n{qualities_of(calls)}\n"


def distance(observed: str, expected: str) -> int:
    """Count differing places; `*` in the expected barcode fits everything, N in the observed one nothing."""
    return sum(e not in ("*", o) or (o == "N" and e != "*") for o, e in zip(observed, expected, strict=True))


def matching_samples(
    observed: tuple[str, str], samples: list[tuple[str, str]], budgets: list[tuple[int, int]]
) -> list[int]:
    """Return every sample within its budget in both indexes."""
    return [
        i
        for i, (sample, budget) in enumerate(zip(samples, budgets, strict=True))
        if all(distance(o, s) <= b for o, s, b in zip(observed, sample, budget, strict=True))
    ]


def best_index(observed: str, barcodes: list[str], budget: int) -> int:
    """Return the one nearest barcode within the budget, or -1."""
    distances = [distance(observed, barcode) for barcode in barcodes]
    least = min(distances, default=budget + 1)
    return distances.index(least) if least <= budget and distances.count(least) == 1 else -1
