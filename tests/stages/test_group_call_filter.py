"""Grouping, duplex consensus and filter in a row, against the acceptance table."""

import numpy as np
import pytest

from ctdna.kernels.filter import PASS
from ctdna.kernels.record import scan_records
from ctdna.model.columns import RawRecords
from ctdna.model.params.group import GroupParams
from ctdna.stages.consensus import ConsensusCaller, Naming
from ctdna.stages.filter import filter_records
from ctdna.stages.group import ReadGroups, group, tag_records
from tests.consensus_cases import params, plain_read, plain_records, raw
from tests.oracle_cases import Case, case_params
from tests.stages.test_filter_oracle import filter_params


def raw_join(parts: list[RawRecords]) -> RawRecords:
    """Return the records of all parts as one."""
    data = np.concatenate([part.data for part in parts])
    return RawRecords(data, scan_records(data)[0])


@pytest.mark.timeout(180)
@pytest.mark.parametrize("case", case_params("group_call_filter"))
def test_group_call_filter(case: Case) -> None:
    options, expect = case["options"], case["expect"]
    records = raw(plain_read(read) for read in case["input"]["reads"])
    wanted = GroupParams(
        strategy=options["group"]["strategy"], edits=options["group"]["edits"], min_mapq=1, min_umi_length=None,
        allow_inter_contig=True,
    )  # fmt: skip
    grouped, metrics = group(records, ReadGroups((), ()), wanted, "s")
    assert (metrics.counts["molecules"], metrics.counts["families"]) == (expect["molecules"], expect["families"])
    tagged = tag_records(records, grouped, 0, len(grouped.records))
    designs: dict[str, set[str]] = {}
    families = set()
    for record in plain_records(tagged):
        molecule = record["tags"]["MI"].split("/")[0]
        designs.setdefault(molecule, set()).add(record["name"].split(":")[0])
        families.add(record["tags"]["MI"])
    assert (len(designs), len(families)) == (expect["molecules"], expect["families"])
    assert all(len(names) == 1 for names in designs.values())
    design = {molecule: names.pop() for molecule, names in designs.items()}
    caller = ConsensusCaller(params("duplex", options["call"]), Naming("lib", "A"))
    parts = [part for part in caller.call([tagged]) if len(part)]
    called = raw_join(parts)
    rest = plain_records(called)
    assert len(rest) == expect["consensus_records"]
    assert sorted({design[record["tags"]["MI"]] for record in rest}) == expect["called"]
    blank = {design[record["tags"]["MI"]] for record in rest if set(record["bases"]) == {"N"}}
    assert sorted(blank) == expect["all_N"]
    filtered, _ = filter_records(called, filter_params(options["filter"]), False, "s")
    kept = [record for record, status in zip(rest, filtered.status, strict=True) if status == PASS]
    assert len(kept) == expect["kept_records"]
    assert sorted({design[record["tags"]["MI"]] for record in kept}) == expect["kept"]
