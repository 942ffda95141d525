"""The commands of bundles and sign-off as they are typed: what they print, how they leave, whom they refuse."""

from pathlib import Path

import pytest

from tests.bundle.test_flips import failure
from tests.bundle.world import SAMPLE, Site, password
from tests.end_to_end.world import ctdna, done

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]  # reports are rendered and signed


@pytest.fixture
def as_user(tmp_path: Path) -> object:
    def options(user: str, wrong: bool = False) -> list[str]:
        path = tmp_path / f"{user}.password"
        path.write_text(password(user) + ("x" if wrong else "") + "\n")
        return ["--user", user, "--password-file", str(path)]

    return options


def typed(as_user: object, user: str, wrong: bool = False) -> list[str]:
    assert callable(as_user)
    made = as_user(user, wrong)
    assert isinstance(made, list)
    return made


def test_from_draft_to_an_amended_report(site: Site, as_user: object, tmp_path: Path) -> None:
    of_sample = [site.run, "--sample", SAMPLE]
    assert "version 1 reviewed by rev" in done("review", *of_sample, *typed(as_user, "rev"), "--comment", "seen").out
    assert "version 1 approved by dir" in done("approve", *of_sample, *typed(as_user, "dir")).out
    said = done("amend", *of_sample, *typed(as_user, "tech"), "--why", "the diagnosis was wrong").out
    assert "draft of version 2" in said
    done("review", *of_sample, *typed(as_user, "rev"))
    (tmp_path / "secret").write_text("another passphrase\n")
    refused = ctdna("approve", *of_sample, *typed(as_user, "dir"), "--passphrase-file", tmp_path / "secret")
    assert (refused.code, "the passphrase is wrong" in refused.err) == (2, True)
    done("approve", *of_sample, *typed(as_user, "dir"))
    lines = done("verify", site.run, "--no-render", "--threads", "1").out.splitlines()
    assert lines[0].startswith("holds\tsignature\tkey north-key")
    assert lines[-1] == "verified"


def test_verify_names_the_first_link_that_fails(site: Site) -> None:
    done("verify", site.report, "--no-render")
    (site.report / "reads.json").write_text("{}\n")
    ended = ctdna("verify", site.run, "--no-render")
    assert ended.code == 3
    assert ended.err.startswith(f"ctdna: error 3: {site.report / 'reads.json'}: has 3 bytes, the bundle says")
    assert "holds\tsignature" in ended.out
    assert "verified" not in ended.out
    assert failure(site).exit_code == 3


def test_verify_of_nothing(tmp_path: Path) -> None:
    ended = ctdna("verify", tmp_path / "nothing")
    assert (ended.code, "found no file or folder of this name" in ended.err) == (2, True)


@pytest.mark.req("REQ-SGN-001")
@pytest.mark.parametrize(
    ("command", "user"),
    [
        ("review", "tech"),
        ("review", "aud"),
        ("review", "root"),
        ("approve", "rev"),
        ("approve", "tech"),
        ("approve", "root"),
    ],
)
def test_no_command_lets_the_wrong_role_sign(site: Site, as_user: object, command: str, user: str) -> None:
    if command == "approve":
        site.review("dir" if user == "rev" else "rev")
    ended = ctdna(command, site.run, "--sample", SAMPLE, *typed(as_user, user))
    assert (ended.code, len(ended.errors)) == (6, 1), ended.err


@pytest.mark.req("REQ-SGN-001")
@pytest.mark.parametrize("user", ["rev", "aud", "root"])
def test_no_wrong_role_amends(signed: Site, as_user: object, user: str) -> None:
    ended = ctdna("amend", signed.run, "--sample", SAMPLE, *typed(as_user, user), "--why", "x")
    assert (ended.code, len(ended.errors)) == (6, 1), ended.err


@pytest.mark.parametrize("command", ["review", "approve"])
def test_a_wrong_password_is_refused(site: Site, as_user: object, command: str) -> None:
    ended = ctdna(command, site.run, "--sample", SAMPLE, *typed(as_user, "dir", True))
    assert ended.code == 6


@pytest.mark.req("REQ-SGN-009")
@pytest.mark.parametrize(("command", "user"), [("review", "rev"), ("approve", "dir")])
def test_with_a_password_that_another_set_nobody_signs(site: Site, as_user: object, command: str, user: str) -> None:
    root = site.ledger.authenticate("root", password("root"))
    site.ledger.change_user(root, user, "forgot it", password=password(user))
    ended = ctdna(command, site.run, "--sample", SAMPLE, *typed(as_user, user))
    assert (ended.code, len(ended.errors)) == (6, 1), ended.err
    assert f"{user}: the password was set by root" in ended.err
    assert f"{user} changes it first, by ctdna user password" in ended.err


def test_without_a_ledger_nobody_signs(
    site: Site, as_user: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "empty"))
    ended = ctdna("review", site.run, "--sample", SAMPLE, *typed(as_user, "rev"))
    assert (ended.code, "there is no ledger" in ended.err) == (2, True)


def test_an_export_and_its_log(site: Site, as_user: object, tmp_path: Path) -> None:
    target = tmp_path / "shared.zip"
    told = ["--recipient", "Southern Laboratory", "--purpose", "comparison", "--approval", "EC 12"]
    plain = ["bundle", "export", site.run, "--sample", SAMPLE, "--de-identified", "--output", target]
    refused = ctdna(*plain)
    assert (refused.code, "--user: is missing; an export is logged" in refused.err) == (2, True)
    refused = ctdna(*plain, *typed(as_user, "dir"), *told[:4])
    assert (refused.code, "--approval: is missing" in refused.err) == (2, True)
    refused = ctdna(*plain, *typed(as_user, "tech"), *told)
    assert (refused.code, target.exists()) == (6, False)
    digest = done(*plain, *typed(as_user, "dir"), *told).out.split("\t")[0]
    done("verify", target)
    fields = done("bundle", "list-exports").out.rstrip("\n").split("\t")
    assert fields[1] == "dir"
    assert fields[3:] == ["de-identified", "Southern Laboratory", "comparison", "EC 12", digest]
    both = ctdna(*plain, "--aggregates-only", *typed(as_user, "dir"), *told)
    assert (both.code, "give one of them" in both.err) == (2, True)
