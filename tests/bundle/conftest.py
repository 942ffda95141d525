"""Sites made once, and copied for each test that changes them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundle.world import Site, at_home, make_site


@pytest.fixture(scope="session")
def finished_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return a site with a finished run, not signed off; not to be changed."""
    root = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        at_home(Site(root), patch)
        yield make_site(root)


@pytest.fixture(scope="session")
def approved_site(finished_site: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return a site whose result is approved, amended and approved again; not to be changed."""
    site = finished_site.copy(tmp_path_factory.mktemp("approved") / "site")
    with pytest.MonkeyPatch.context() as patch:
        at_home(site, patch)
        site.review()
        site.approve()
        site.amend()
        site.review(comment="")
        site.approve()
    return site


@pytest.fixture
def site(finished_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Return a site with a finished run, of this test only."""
    return at_home(finished_site.copy(tmp_path / "site"), monkeypatch)


@pytest.fixture
def signed(approved_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Return a site whose result is approved twice, of this test only."""
    return at_home(approved_site.copy(tmp_path / "site"), monkeypatch)
