"""The filter against the acceptance table: what the peers' own tests assert."""

from typing import Any

import numpy as np
import pytest

from ctdna.kernels.filter import PASS, filter_all, find_consensus_tags
from ctdna.model.params.consensus import FilterParams, three
from ctdna.stages.filter import filter_records, limits_of
from tests.consensus_cases import fields_of, plain_read, plain_records, raw
from tests.oracle_cases import Case, case_params

pytestmark = pytest.mark.timeout(180)


def filter_params(options: dict[str, Any]) -> FilterParams:
    """Return the filter's parameters of a case."""
    quality = options.get("min_mean_base_quality")
    return FilterParams(
        min_reads=tuple(options["min_reads"]),
        max_read_error_rate=tuple(options.get("max_read_error_rate", [0.025])),
        max_base_error_rate=tuple(options.get("max_base_error_rate", [0.1])),
        max_no_call_fraction=float(options.get("max_no_calls", 0.2)),
        min_base_quality=options["min_base_quality"],
        min_mean_base_quality=None if quality is None else float(quality),
        require_single_strand_agreement=options.get("require_strand_agreement", False),
    )


@pytest.mark.req("REQ-FLT-001")
@pytest.mark.parametrize("case", case_params("filter_records"))
def test_filter_records(case: Case) -> None:
    records = raw(plain_read(read) for read in case["input"]["reads"])
    fields = fields_of(records)
    limits = limits_of(filter_params(case["options"]))
    status, masked, bad = filter_all(records.data, fields, find_consensus_tags(records.data, fields), limits, 0)
    assert bad == -1
    after = plain_records(records)
    for k, expect in enumerate(case["expect"]["results"]):
        assert (status[k] == PASS) == expect["keep"]
        assert masked[k] == expect.get("masked", masked[k])
        assert after[k]["bases"] == expect.get("bases", after[k]["bases"])


@pytest.mark.req("REQ-FLT-001")
@pytest.mark.parametrize("case", case_params("filter_templates"))
def test_filter_templates(case: Case) -> None:
    records = raw(plain_read(read) for read in case["input"]["reads"])
    options = case["options"]
    filtered, _ = filter_records(records, filter_params(options), options["reverse_per_base_tags"], "s")
    kept = np.flatnonzero(filtered.status == PASS).tolist()
    assert kept == case["expect"]["kept"]
    after = plain_records(records)
    if "bases" in case["expect"]:
        assert [after[k]["bases"] for k in kept] == case["expect"]["bases"]
    for k, tags in zip(kept, case["expect"].get("tags", []), strict=False):
        assert {name: after[k]["tags"][name] for name in tags} == tags


@pytest.mark.parametrize("case", case_params("filter_options"))
def test_filter_options(case: Case) -> None:
    given, expect = case["input"], case["expect"]
    if not expect["valid"]:
        with pytest.raises(ValueError, match=r"(min_reads|max_read_error_rate) found"):
            filter_params(given)
        return
    wanted = filter_params(given)
    limits = limits_of(wanted)
    for k, strand in enumerate(("consensus", "ab", "ba")):
        assert three(wanted.min_reads)[k] == limits.min_reads[k] == expect[strand]["min_reads"]
        assert limits.max_read_error_rate[k] == expect[strand]["max_read_error_rate"]
        assert limits.max_base_error_rate[k] == expect[strand]["max_base_error_rate"]
