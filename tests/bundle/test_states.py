"""The state of each report in the table of a run."""

import re

import pytest

from ctdna.bundle.states import sign_off_states
from ctdna.cli.summary import command as summary
from tests.bundle.world import SAMPLE, Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]  # reports are rendered and signed


def test_a_report_is_a_draft_then_reviewed_then_approved_then_amended(site: Site) -> None:
    def state() -> str:
        return sign_off_states(site.run, site.ledger)[SAMPLE]

    seen = [state()]
    for act in (site.review, site.approve, site.amend, site.review, site.approve):
        act()
        seen.append(state())
    assert seen == ["draft", "reviewed", "approved v1", "draft v2", "reviewed v2", "approved v2"]
    assert sign_off_states(site.run, None)["P04"] == "draft"


def test_the_table_of_a_run_says_it(signed: Site, capsys: pytest.CaptureFixture[str]) -> None:
    summary.main([str(signed.run)], standalone_mode=False)
    assert re.search(rf"{SAMPLE} +Patient +Warning +approved v2 +EGFR", capsys.readouterr().out)
