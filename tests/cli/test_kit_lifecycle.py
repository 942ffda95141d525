"""`ctdna kit`, `lot` and `override` on the command line: a kit's whole life, and every way past somebody's rights."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ctdna.build import verify
from ctdna.cli import background
from ctdna.cli.main import command as ctdna
from ctdna.formats.keys import PrivateKey
from ctdna.kit.load import load_kit, read_kit
from ctdna.kit.lock import LOCK
from ctdna.ledger.open import open_ledger
from ctdna.model.errors import AuthorityError, DefinitionError, InputError
from tests.kit import states
from tests.kit.test_moves import CLAIMS, prove
from tests.ledger.world import World, make_world, password

KIT = "ctdna-demo@1.1.0"
ASKED = [word for claim in CLAIMS for word in ("--claim", claim)]
RUN_ID = "260131_A00001_0001_AHXYZ"


class Shop:
    """A manufacturer's machine: a home with a ledger and a key, a folder of kits, people with password files."""

    def __init__(self, root: Path) -> None:
        self.root, self.kits = root, root / "kits"
        self.world: World = make_world()
        self.key: PrivateKey = states.manufacturer()
        for user in ("root", "tech", "rev", "dir", "aud"):
            (root / f"{user}.password").write_text(password(user) + "\n")

    def as_(self, user: str) -> list[str]:
        return ["--user", user, "--password-file", str(self.root / f"{user}.password")]

    def do(self, *words: str | Path, user: str | None = None) -> str:
        result = self.invoke(*words, user=user)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.output

    def invoke(self, *words: str | Path, user: str | None = None) -> Result:
        named = self.as_(user) if user else []
        return CliRunner().invoke(ctdna, [*map(str, words), *named])

    def build_lock(self, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Return the signed lock of a build that is as small as can be."""
        from ctdna.formats.signed import write_signed
        from ctdna.model.build import BuildLock

        nothing: dict[str, Any] = dict.fromkeys(
            ("code", "workflow", "wrappers", "dependencies", "foreign", "programs"), ()
        )
        lock = BuildLock(software="1.0.0", platform="linux-x86_64", **nothing)
        write_signed(self.root / "build.lock.json", lock, "build", self.key)
        assert verify.read_lock(self.root / "build.lock.json")[0] == lock
        return self.root / "build.lock.json"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CTDNA_KITS", str(tmp_path / "kits"))
    monkeypatch.delenv("CTDNA_LEDGER", raising=False)
    monkeypatch.delenv("CTDNA_USER", raising=False)
    return Shop(tmp_path)


def test_a_kit_lives_from_its_first_copy_to_its_retirement(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    made = shop.do("kit", "new", KIT, "--from", "ctdna-demo@1.0.0", "--output", shop.kits)
    assert made == f"{KIT}: {shop.kits / 'ctdna-demo' / '1.1.0'}\n"
    frozen = shop.do("kit", "freeze", KIT, "--why", "final", user="dir")
    kit = load_kit(KIT)
    assert frozen == f"{KIT}: frozen, digest {kit.digest}\n"
    assert f"{KIT}: investigational" in shop.do("kit", "sign", KIT, "--key", "acme", user="dir")
    prove(shop.world, kit, *CLAIMS)
    lock = shop.build_lock(monkeypatch)
    words = ["kit", "release", KIT, "--key", "acme", "--build-lock", lock]
    with pytest.raises(DefinitionError, match="the ledger has none for lob, accuracy, interference, stability, carry"):
        shop.do(*words, user="dir")
    released = shop.do(*words, *ASKED, user="dir")
    assert "evidence: lod95: 1.1.0-1; specificity: 1.1.0-2; precision: 1.1.0-3\n" in released
    assert "evidence not asked for: lob, accuracy, interference, stability, carryover, sample_identity\n" in released
    assert released.endswith(f"{KIT}: released, digest {kit.digest}\n")
    assert f"{KIT}\treleased\t" in shop.do("kit", "list")
    retired = shop.do("kit", "retire", KIT, "--key", "acme", "--why", "1.2.0 is out", user="dir")
    assert f"{KIT}: retired" in retired
    shown = json.loads(shop.do("kit", "show", KIT))
    assert (shown["state"], shown["is_frozen"], shown["digest"]) == ("retired", True, kit.digest)
    said = [one["statement"] for one in shown["statements"]]
    assert [one["to_state"] for one in said] == ["investigational", "released", "retired"]
    assert said[1]["builds"] == [verify.read_lock(lock)[0].digest]
    assert said[2]["why"] == "1.2.0 is out"
    entries = list(shop.world.ledger.entries(kind="kit.moved"))
    assert [entry.user for entry in entries] == ["dir"] * 4
    assert [entry.why for entry in entries] == ["final", "", "", "1.2.0 is out"]
    assert open_ledger().verify() == ()


def test_a_kit_of_a_new_name_says_what_was_left_out(shop: Shop) -> None:
    made = shop.do("kit", "new", "mine@0.1.0", "--from", "ctdna-demo@1.0.0", "--output", shop.kits)
    assert made.startswith("left out: background.gz: a background is bound to its kit's name; train another")
    assert "mine@0.1.0\tdevelopment\t" in shop.do("kit", "list")


def _act(shop: Shop, name: str) -> list[str | Path]:
    lot = shop.root / "L1.json"
    acts: dict[str, list[str | Path]] = {
        "kit.freeze": ["kit", "freeze", KIT],
        "kit.sign": ["kit", "sign", KIT, "--key", "acme"],
        "kit.release": ["kit", "release", KIT, "--key", "acme", "--build-lock", "absent.json"],
        "kit.retire": ["kit", "retire", KIT, "--key", "acme", "--why", "x"],
        "lot.add": ["lot", "add", lot],
        "override.grant": ["override", "grant", "--run-id", RUN_ID, "--gate", "lot_expired", "--why", "x"],
    }
    return acts[name]


FORBIDDEN = [
    *((act, user) for act in ("kit.freeze", "kit.sign", "kit.release", "kit.retire", "override.grant")
      for user in ("tech", "rev", "aud", "root")),
    ("lot.add", "rev"),
    ("lot.add", "aud"),
]  # fmt: skip


@pytest.mark.req("REQ-SEC-006")
@pytest.mark.parametrize(("act", "user"), FORBIDDEN)
def test_nobody_acts_without_the_role_for_it(shop: Shop, act: str, user: str) -> None:
    folder = states.copy_demo(shop.kits, "1.1.0")
    head = shop.world.ledger.head()
    with pytest.raises(AuthorityError, match=rf"{user}: has \w+; entry \w+\.\w+ needs ") as caught:
        shop.do(*_act(shop, act), user=user)
    assert caught.value.exit_code == 6
    assert shop.world.ledger.head() == head
    assert not (folder / LOCK).exists()


@pytest.mark.req("REQ-SEC-006")
@pytest.mark.parametrize("act", sorted({act for act, _ in FORBIDDEN}))
def test_nobody_acts_under_anothers_name(shop: Shop, act: str) -> None:
    states.copy_demo(shop.kits, "1.1.0")
    words = _act(shop, act)
    tech = shop.root / "tech.password"
    with pytest.raises(AuthorityError):
        shop.do(*words, "--user", "dir", "--password-file", tech)
    with pytest.raises(AuthorityError):
        shop.do(*words, "--user", "nobody", "--password-file", tech)
    assert shop.invoke(*words).exit_code == 2
    kinds = {entry.new.kind for entry in shop.world.ledger.entries()}
    assert kinds & {"kit.moved", "lot.added", "override.granted"} == set()


def test_without_a_ledger_no_kit_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CTDNA_KITS", str(tmp_path / "kits"))
    monkeypatch.delenv("CTDNA_LEDGER", raising=False)
    folder = states.copy_demo(tmp_path / "kits", "1.1.0")
    (tmp_path / "p").write_text("x" * 20)
    words = ["kit", "freeze", KIT, "--user", "dir", "--password-file", str(tmp_path / "p")]
    result = CliRunner().invoke(ctdna, words)
    assert isinstance(result.exception, InputError)
    assert "there is no ledger" in str(result.exception)
    assert not (folder / LOCK).exists()


def test_the_lock_of_a_build_must_be_signed_by_a_trusted_key(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    states.copy_demo(shop.kits, "1.1.0")
    shop.do("kit", "freeze", KIT, user="dir")
    shop.do("kit", "sign", KIT, "--key", "acme", user="dir")
    prove(shop.world, load_kit(KIT), *CLAIMS)
    lock = shop.build_lock(monkeypatch)
    lock.write_text(lock.read_text().replace("1.0.0", "1.0.1"))
    with pytest.raises(DefinitionError, match="the signature of acme does not fit the content"):
        shop.do("kit", "release", KIT, "--key", "acme", "--build-lock", lock, user="dir")
    assert load_kit(KIT).state == "investigational"


def test_lots_are_made_added_listed_shown_and_checked(shop: Shop) -> None:
    kit = states.move(states.copy_demo(shop.kits, "1.1.0"), shop.key, "investigational")
    label = kit.definition.controls.positive[0].label
    control = f"{label}=0.002:0.01"
    made = shop.do(
        "lot", "new", "L1", "--kit", KIT, "--expires", "2027-01-31", "--control", control, "--ntc-max-molecules", "5",
        "--output", shop.root / "made", "--key", "acme",
    )  # fmt: skip
    assert made.startswith(f"L1\t{KIT}\texpires 2027-01-31\tsigned by acme (")
    assert shop.do("lot", "list") == ""
    with pytest.raises(InputError, match="lot `L1` is not held here; held: none; see ctdna lot add"):
        shop.do("lot", "show", "L1")
    shop.do("lot", "add", shop.root / "made" / f"L1.{KIT}.json", user="tech")
    assert shop.do("lot", "list").startswith(f"L1\t{KIT}\texpires 2027-01-31")
    shown = json.loads(shop.do("lot", "show", "L1"))
    assert shown["lot"]["controls"] == [{"label": label, "vaf_min": 0.002, "vaf_max": 0.01}]
    assert shown["lot"]["ntc_max_molecules"] == 5
    noted = shop.world.ledger.lot("L1", KIT)
    assert noted is not None
    assert (noted.digest, noted.kit, noted.expires) == (shown["digest"], KIT, "2027-01-31")
    with pytest.raises(InputError, match=rf"lot L1 of {KIT} is held and in the ledger already"):
        shop.do("lot", "add", shop.root / "made" / f"L1.{KIT}.json", user="tech")
    assert shop.do("lot", "check", "L1", "--kit", KIT, "--date", "2027-01-31") == "L1: good\n"
    bad = shop.do("lot", "check", "L1", "--kit", "ctdna-demo@1.0.0", "--date", "2027-02-01")
    assert [line.split(":")[0] for line in bad.splitlines()] == ["lot_of_other_kit", "lot_expired", "L1"]
    assert bad.endswith("L1: not for this run\n")


def test_a_lot_whose_file_was_lost_is_added_again_and_another_of_its_name_is_not(shop: Shop) -> None:
    states.move(states.copy_demo(shop.kits, "1.1.0"), shop.key, "investigational")
    for folder, day in (("one", "2027-01-31"), ("two", "2029-01-31")):
        shop.do("lot", "new", "L1", "--kit", KIT, "--expires", day, "--output", shop.root / folder, "--key", "acme")
    shop.do("lot", "add", shop.root / "one" / f"L1.{KIT}.json", user="dir")
    held = shop.root / "home" / "lots" / f"L1.{KIT}.json"
    held.unlink()
    with pytest.raises(DefinitionError, match=f"the ledger has another file of lot L1 of {KIT}"):
        shop.do("lot", "add", shop.root / "two" / f"L1.{KIT}.json", user="dir")
    shop.do("lot", "add", shop.root / "one" / f"L1.{KIT}.json", user="dir")
    assert held.is_file()
    assert len(list(shop.world.ledger.entries(kind="lot.added"))) == 1


@pytest.mark.req("REQ-LOT-004")
def test_the_same_lot_is_made_added_and_shown_for_each_kit_version(shop: Shop) -> None:
    following = "ctdna-demo@1.2.0"
    for address, day in ((KIT, "2027-01-31"), (following, "2026-06-30")):
        states.move(states.copy_demo(shop.kits, address.split("@")[1]), shop.key, "investigational")
        shop.do("lot", "new", "L1", "--kit", address, "--expires", day, "--output", shop.root / "made", "--key", "acme")
        added = shop.do("lot", "add", shop.root / "made" / f"L1.{address}.json", user="tech")
        assert added.endswith(f"\t{shop.root / 'home' / 'lots' / f'L1.{address}.json'}\n")
    assert [line.split("\t")[:2] for line in shop.do("lot", "list").splitlines()] == [["L1", KIT], ["L1", following]]
    assert shop.do("lot", "list", "--kit", following).split("\t")[:3] == ["L1", following, "expires 2026-06-30"]
    with pytest.raises(InputError, match=rf"LOT: lot `L1` is held for {KIT}, {following}; name one of them by --kit"):
        shop.do("lot", "show", "L1")
    shown = [json.loads(shop.do("lot", "show", "L1", "--kit", address))["lot"] for address in (KIT, following)]
    assert [(one["kit"], one["expires"]) for one in shown] == [(KIT, "2027-01-31"), (following, "2026-06-30")]
    with pytest.raises(
        InputError, match=rf"lot `L1` is not held here for ctdna-demo@1\.0\.0; held: L1 of {KIT}, L1 of"
    ):
        shop.do("lot", "show", "L1", "--kit", "ctdna-demo@1.0.0")
    assert shop.do("lot", "check", "L1", "--kit", KIT, "--date", "2026-07-01") == "L1: good\n"
    late = shop.do("lot", "check", "L1", "--kit", following, "--date", "2026-07-01")
    assert late.startswith("lot_expired: lot L1 expired on 2026-06-30")
    other = shop.do("lot", "check", "L1", "--kit", "ctdna-demo@1.0.0", "--date", "2026-01-01")
    assert other.startswith(f"lot_of_other_kit: lot L1 is of {following} with content ")
    assert f"... and of {KIT} with content " in other
    with pytest.raises(InputError, match=rf"lot `L2` is not held here; held: L1 of {KIT}"):
        shop.do("lot", "check", "L2", "--kit", KIT)
    assert [entry.subject for entry in shop.world.ledger.entries(kind="lot.added")] == ["lot L1", "lot L1"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["L/1", "--expires", "2027-01-31"], "LOT: found `L/1`; use letters, digits"),
        (["L1", "--expires", "2027-01-31", "--control", "x"], "--control: found `x`; give LABEL=MIN:MAX"),
        (["L1", "--expires", "2027-01-31", "--control", "x=0.1:2"], "found `x=0.1:2`: Input should be less than or eq"),
        (["L1", "--expires", "2027-01-31", "--control", "x=0.2:0.1"], "vaf_min 0.2 is above vaf_max 0.1"),
        (["L1", "--expires", "2027-01-31", "--control", "x=0:1"], "`x` is no expected variant of kit"),
        (["L1", "--expires", "2027-01-31", *["--control", "x=0:1"] * 2], "an expected variant is named twice"),
    ],
)
def test_what_no_lot_file_may_say(shop: Shop, words: list[str], message: str) -> None:
    states.move(states.copy_demo(shop.kits, "1.1.0"), shop.key, "investigational")
    with pytest.raises(InputError) as caught:
        shop.do("lot", "new", *words, "--kit", KIT, "--output", shop.root, "--key", "acme")
    assert message in str(caught.value)
    assert not list(shop.root.glob("*.json"))


def test_an_expiry_that_is_no_date_is_a_fault_of_the_command_line(shop: Shop) -> None:
    result = shop.invoke("lot", "new", "L1", "--kit", KIT, "--expires", "31.1.2027", "--output", "x", "--key", "acme")
    assert result.exit_code == 2
    assert "does not match the format" in result.output


@pytest.mark.req("REQ-GAT-001")
def test_overrides_are_granted_by_a_director_and_listed_for_every_role(shop: Shop) -> None:
    why = "the last blood of a patient"
    told = shop.do("override", "grant", "--run-id", RUN_ID, "--gate", "lot_expired", "--why", why, user="dir")
    override_id = told.split("\t")[0]
    for user in ("tech", "aud", "rev", "dir", "root"):
        listed = shop.do("override", "list", user=user)
        assert listed == f"{override_id}\t{RUN_ID}\tlot_expired\tdir\tnot used\t{why}\n"
    assert shop.do("override", "list", "--run-id", "another", user="aud") == ""
    shop.world.ledger.use_override(shop.world.actor("tech"), override_id, "lot_expired", f"{RUN_ID}:{'0' * 16}")
    assert f"\t{RUN_ID}:{'0' * 16}\t" in shop.do("override", "list", user="aud")
    result = shop.invoke("override", "grant", "--run-id", "r", "--gate", "qc", "--why", "x", user="dir")
    assert result.exit_code == 2


def test_the_background_of_a_kit_in_development_is_trained_into_its_folder(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.do("kit", "new", "mine@0.1.0", "--from", "ctdna-demo@1.0.0", "--output", shop.kits)
    folder = shop.kits / "mine" / "0.1.0"
    asked: dict[str, Any] = {}

    def train(ctx: Any, /, **options: Any) -> None:
        asked.update(options)
        Path(options["output"]).write_bytes(b"trained")

    monkeypatch.setattr(background.command, "callback", _with_context(train))
    normals = [shop.root / f"{name}.bam" for name in "abc"]
    words = ["kit", "background", "mine@0.1.0", "--reference", "r.fa", "--threads", "2", "--normals", *normals]
    shop.do(*words, "--instrument", "NovaSeq X")
    kit = read_kit(folder)
    assert kit.definition.files.background == "background.gz"
    assert (folder / "background.gz").read_bytes() == b"trained"
    assert (asked["kit_name"], asked["normals"], asked["instrument"], asked["threads"]) == (
        "mine@0.1.0", tuple(normals), "NovaSeq X", 2,
    )  # fmt: skip
    (folder / "background.gz").rename(folder / "old.gz")
    text = (folder / "kit.yaml").read_text("utf-8")
    (folder / "kit.yaml").write_text(text.replace("background: background.gz", "background: old.gz"), "utf-8")
    shop.do(*words)
    assert not (folder / "background.gz").exists()
    assert asked["output"] == folder / "old.gz"


def test_a_background_outside_the_kits_folder_is_refused(shop: Shop) -> None:
    shop.do("kit", "new", KIT, "--from", "ctdna-demo@1.0.0", "--output", shop.kits)
    path = shop.kits / "ctdna-demo" / "1.1.0" / "kit.yaml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("background: background.gz", "background: ../../evil.gz"), "utf-8")
    with pytest.raises(DefinitionError, match=r"files\.background: found \.\./\.\./evil\.gz, outside the kit"):
        shop.do("kit", "background", KIT, "--reference", "r.fa", "--normals", "a.bam")
    assert not (shop.kits / "evil.gz").exists()


def _with_context(function: Callable[..., None]) -> Callable[..., None]:
    import click

    return click.pass_context(function)


@pytest.mark.req("REQ-KIT-014")
def test_a_frozen_kit_gets_no_other_background(shop: Shop) -> None:
    states.move(states.copy_demo(shop.kits, "1.1.0"), shop.key, "investigational")
    with pytest.raises(DefinitionError, match=r"kit ctdna-demo@1\.1\.0 is frozen; make the next version"):
        shop.do("kit", "background", KIT, "--reference", "r.fa", "--normals", "a.bam")


def test_a_run_needs_the_name_that_goes_with_a_password(shop: Shop) -> None:
    words = ["run", shop.root, "--kit", KIT, "--output", shop.root / "out"]
    with pytest.raises(InputError, match="--password-file: is given, but no --user; name the account"):
        shop.do(*words, "--password-file", shop.root / "tech.password")
    with pytest.raises(AuthorityError):
        shop.do(*words, "--user", "tech", "--password-file", shop.root / "dir.password")
    assert not (shop.root / "out").exists()
