"""The chain of a bundle: whole, and broken at each of its links."""

import pytest

from ctdna.bundle.walk import Wanted
from tests.bundle.world import SAMPLE, Site

pytestmark = pytest.mark.timeout(60)  # reports are rendered and signed


@pytest.mark.req("REQ-BDL-009")
def test_a_finished_run_holds_link_by_link(site: Site) -> None:
    links = site.links(wanted=Wanted(inputs=site.inputs, threads=2))
    assert [link.split(":")[0] for link in links] == [
        "holds signature",
        "holds files",
        "holds kit",
        "holds build",
        f"holds result {SAMPLE}",
        "holds ledger",
        "holds inputs",
    ]


@pytest.mark.req("REQ-BDL-009")
def test_a_signed_off_run_holds(signed: Site) -> None:
    links = signed.links(wanted=Wanted(threads=2))
    assert [link.split(",")[0] for link in links if f"{SAMPLE} v" in link] == [
        f"holds result {SAMPLE} v1: reviewed by Rev Person on {stamp(links, 1)}",
        f"holds result {SAMPLE} v2: reviewed by Rev Person on {stamp(links, 2)}",
    ]


def stamp(links: list[str], version: int) -> str:
    line = next(link for link in links if f"v{version}: " in link)
    return line.split(" on ")[1].split(",")[0]
