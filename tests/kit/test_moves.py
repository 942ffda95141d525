"""The moves of a kit version: preconditions, rights, what is written; and machines that break between the two."""

import re
from pathlib import Path
from typing import Any

import pytest

from ctdna.formats.keys import PrivateKey, new_key
from ctdna.kit import moves
from ctdna.kit.authority import Authority
from ctdna.kit.load import LoadedKit, read_kit
from ctdna.kit.lock import LOCK, STATES, write_lock
from ctdna.kit.moves import Signing, freeze, mend, release, retire, sign, staged_path
from ctdna.kit.scaffold import new_kit
from ctdna.kit.states import statement_digest
from ctdna.model.errors import AuthorityError, DefinitionError, InputError
from ctdna.model.ledger import EvidenceAdded, EvidenceCarried, KitMoved
from tests.kit import states
from tests.ledger.world import SITE, World, digest, make_world

BUILD = digest("b")
CLAIMS = ("lod95", "specificity", "precision")


@pytest.fixture
def world(home: Path) -> World:
    return make_world()


@pytest.fixture
def director(world: World) -> Authority:
    return Authority(world.ledger, world.actor("dir"))


@pytest.fixture
def kit(tmp_path: Path) -> LoadedKit:
    return read_kit(states.copy_demo(tmp_path / "kits"))


def signing(key: PrivateKey, *builds: str, why: str = "ready") -> Signing:
    return Signing(key, states.AT, why, builds)


def evidence(kit: LoadedKit, claim: str, name: str) -> EvidenceAdded:
    return EvidenceAdded(
        evidence_id=name,
        study="EP17-LoD",
        claim=claim,
        variant_classes=("snv",),
        stage="investigational",
        kit=kit.address,
        kit_digest=kit.digest,
        panel_digest=digest("a"),
        lot=None,
        site=SITE,
        instrument=None,
        build_digest=BUILD,
        data={},
        outcome="as claimed",
    )


def prove(world: World, kit: LoadedKit, *claims: str) -> None:
    for number, claim in enumerate(claims, 1):
        world.ledger.record(world.actor("rev"), evidence(kit, claim, f"{kit.definition.version}-{number}"))


def moved(world: World) -> list[KitMoved]:
    return [entry.new for entry in world.ledger.entries(kind="kit.moved") if isinstance(entry.new, KitMoved)]


@pytest.mark.req("REQ-KIT-012")
def test_a_kit_goes_all_its_way_and_each_move_is_an_entry(
    world: World, director: Authority, kit: LoadedKit, key: PrivateKey
) -> None:
    frozen = freeze(kit, director, "content is final")
    assert (frozen.state, frozen.is_frozen, frozen.digest) == ("development", True, kit.digest)
    signed = sign(frozen, director, signing(key))
    prove(world, signed, *CLAIMS)
    released = release(signed, director, signing(key, BUILD), CLAIMS)
    retired = retire(released, director, signing(key, why="replaced by 1.1.0"))
    assert [one.state for one in (signed, released, retired)] == ["investigational", "released", "retired"]
    assert {one.digest for one in (kit, frozen, signed, released, retired)} == {kit.digest}
    entries = moved(world)
    assert [(one.from_state, one.to_state) for one in entries] == [
        (None, "development"), ("development", "investigational"), ("investigational", "released"),
        ("released", "retired"),
    ]  # fmt: skip
    digests = [statement_digest(signed.statement) for signed in retired.statements]
    assert [one.statement_digest for one in entries] == [None, *digests]
    for entry, statement in zip(entries[1:], retired.statements, strict=True):
        assert entry.preconditions == statement.statement.preconditions
    last = retired.statements[1].statement
    assert (last.builds, last.evidence) == ((BUILD,), ("1.0.0-1", "1.0.0-2", "1.0.0-3"))
    assert last.preconditions["evidence"] == "lod95: 1.0.0-1; specificity: 1.0.0-2; precision: 1.0.0-3"
    assert retired.statements[2].statement.why == "replaced by 1.1.0"
    assert world.ledger.verify() == ()
    assert read_kit(kit.folder) == retired


@pytest.mark.req("REQ-KIT-012")
@pytest.mark.parametrize("user", ["tech", "rev", "aud", "root"])
def test_only_a_director_moves_kits(world: World, kit: LoadedKit, key: PrivateKey, user: str) -> None:
    somebody = Authority(world.ledger, world.actor(user))
    for act in (
        lambda: freeze(kit, somebody, ""),
        lambda: sign(kit, somebody, signing(key)),
        lambda: release(kit, somebody, signing(key, BUILD), CLAIMS),
        lambda: retire(kit, somebody, signing(key)),
    ):
        with pytest.raises(AuthorityError, match=rf"{user}: has \w+; entry kit\.moved needs director") as caught:
            act()
        assert caught.value.exit_code == 6
    assert moved(world) == []
    assert not (kit.folder / LOCK).exists()


def test_the_ledger_refuses_what_slips_past_the_first_look(
    world: World, kit: LoadedKit, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    somebody = Authority(world.ledger, world.actor("tech"))
    monkeypatch.setattr(Authority, "require", lambda self, kind: None)
    with pytest.raises(AuthorityError, match=r"entry kit\.moved needs director"):
        freeze(kit, somebody, "")
    assert not (kit.folder / LOCK).exists()
    assert not staged_path(kit.folder / LOCK).exists()


def test_an_invalid_kit_is_not_frozen(director: Authority, kit: LoadedKit) -> None:
    text = (kit.folder / "hotspots.tsv").read_text("utf-8")
    (kit.folder / "hotspots.tsv").write_text(text.replace("demo_EGFR\t", "demo_EGFR\t9", 1), "utf-8")
    with pytest.raises(DefinitionError, match=r"cannot be frozen: valid: 1 wrong, first: .*is not on the reference"):
        freeze(read_kit(kit.folder), director, "")
    assert not (kit.folder / LOCK).exists()


def test_a_kit_is_frozen_once(director: Authority, kit: LoadedKit) -> None:
    frozen = freeze(kit, director, "")
    with pytest.raises(DefinitionError, match="not frozen before: it is frozen already; make the next version"):
        freeze(frozen, director, "")
    (kit.folder / LOCK).unlink()
    (kit.folder / "README.md").write_text("changed\n")
    with pytest.raises(DefinitionError, match=f"the ledger has it frozen with content {kit.digest[:16]}"):
        freeze(read_kit(kit.folder), director, "")


@pytest.mark.req("REQ-KIT-014")
def test_a_frozen_kit_whose_file_and_lock_were_edited_is_not_signed(
    director: Authority, kit: LoadedKit, key: PrivateKey
) -> None:
    freeze(kit, director, "")
    (kit.folder / "README.md").write_text("changed\n")
    write_lock(kit.folder)
    edited = read_kit(kit.folder)
    what = f"cannot be signed: frozen: the ledger has content {kit.digest[:16]}..., here is {edited.digest[:16]}..."
    with pytest.raises(DefinitionError, match=re.escape(what)):
        sign(edited, director, signing(key))
    assert not (kit.folder / STATES).exists()


def test_what_a_signature_needs(director: Authority, kit: LoadedKit, key: PrivateKey, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="cannot be signed: frozen: it has no lock; freeze it first"):
        sign(kit, director, signing(key))
    write_lock(kit.folder)
    with pytest.raises(DefinitionError, match="frozen: the ledger does not know that it was frozen"):
        sign(read_kit(kit.folder), director, signing(key))
    (kit.folder / LOCK).unlink()
    frozen = freeze(kit, director, "")
    stranger = new_key("stranger", None, tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"--key: key stranger \(\w{16}\) is not among the manufacturers' keys"):
        sign(frozen, director, signing(stranger))
    sign(frozen, director, signing(key))
    with pytest.raises(DefinitionError, match="state: it is investigational, not development"):
        sign(read_kit(kit.folder), director, signing(key))


@pytest.mark.req("REQ-KIT-012")
def test_a_release_names_all_that_it_lacks(world: World, director: Authority, kit: LoadedKit, key: PrivateKey) -> None:
    bare = new_kit(kit, "bare@0.1.0", kit.folder.parents[1]).kit
    text = (bare.folder / "kit.yaml").read_text("utf-8")
    head, tail = text.split("  positive:\n", 1)
    rest = tail[tail.index("\ndemultiplex:") :]
    (bare.folder / "kit.yaml").write_text(f"{head}  positive: []\n{rest}", "utf-8")
    signed = sign(freeze(read_kit(bare.folder), director, ""), director, signing(key))
    prove(world, signed, "specificity")
    with pytest.raises(DefinitionError) as caught:
        release(signed, director, signing(key), CLAIMS)
    assert str(caught.value) == (
        f"{bare.folder}: kit bare@0.1.0 cannot be released: "
        "background: the kit has none; train it by `ctdna kit background`; "
        "controls: no expected variant is defined; builds: no build lock is given; see --build-lock; "
        "evidence: the ledger has none for lod95, precision; see docs/kit-lifecycle.md"
    )
    with pytest.raises(DefinitionError, match="cannot be released: state: it is development, not investigational"):
        release(kit, director, signing(key, BUILD), CLAIMS)


@pytest.mark.req("REQ-KIT-013")
def test_evidence_of_another_content_does_not_count_unless_it_is_carried(
    world: World, director: Authority, kit: LoadedKit, key: PrivateKey
) -> None:
    prove(world, kit, *CLAIMS)
    following = new_kit(kit, "ctdna-demo@1.1.0", kit.folder.parents[1]).kit
    signed = sign(freeze(following, director, ""), director, signing(key))
    with pytest.raises(DefinitionError, match="evidence: the ledger has none for lod95, specificity, precision"):
        release(signed, director, signing(key, BUILD), CLAIMS)
    for name in ("1.0.0-1", "1.0.0-2"):
        carried = EvidenceCarried(
            evidence_id=name, kit=signed.address, kit_digest=signed.digest, stage="validation", rule="R1"
        )  # fmt: skip
        director.record(carried)
    with pytest.raises(DefinitionError, match="evidence: the ledger has none for precision"):
        release(signed, director, signing(key, BUILD), CLAIMS)
    released = release(signed, director, signing(key, BUILD), ("lod95", "specificity"), ("precision",))
    last = released.statements[-1].statement
    assert last.evidence == ("1.0.0-1", "1.0.0-2")
    assert last.preconditions["evidence not asked for"] == "precision"


def test_a_kit_that_went_on_in_the_ledger_alone_does_not_move(
    director: Authority, kit: LoadedKit, key: PrivateKey
) -> None:
    signed = sign(freeze(kit, director, ""), director, signing(key))
    text = (kit.folder / STATES).read_text()
    retire(signed, director, signing(key))
    (kit.folder / STATES).write_text(text)
    with pytest.raises(DefinitionError, match="frozen: it is investigational, the ledger has it as retired"):
        retire(read_kit(kit.folder), director, signing(key))


@pytest.mark.req("REQ-KIT-016")
def test_nothing_is_recorded_where_the_file_cannot_be_written(
    world: World, director: Authority, kit: LoadedKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise InputError(path, "", "no space is left on the disk", "")

    monkeypatch.setattr(moves, "write_text", full)
    with pytest.raises(InputError, match="no space is left"):
        freeze(kit, director, "")
    assert moved(world) == []


class _Broken(BaseException):
    pass


@pytest.mark.req("REQ-KIT-016")
@pytest.mark.parametrize("name", [LOCK, STATES])
def test_a_move_that_the_machine_broke_off_is_put_right(
    director: Authority, kit: LoadedKit, key: PrivateKey, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == STATES:
        freeze(kit, director, "")

    def broken(self: Path, target: Any) -> Path:
        if self.name.endswith(name) and self.parent == kit.folder.parent and target == kit.folder / name:
            raise _Broken
        return Path.rename(self, target)

    begun = read_kit(kit.folder)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", broken)
        with pytest.raises(_Broken):
            freeze(begun, director, "") if name == LOCK else sign(begun, director, signing(key))
    assert not (kit.folder / name).exists()
    mend(kit.folder, director)
    mended = read_kit(kit.folder)
    assert mended.is_frozen
    assert mended.state == ("development" if name == LOCK else "investigational")
    assert not staged_path(kit.folder / name).exists()


@pytest.mark.req("REQ-KIT-016")
def test_a_file_that_waits_without_an_entry_is_dropped(director: Authority, kit: LoadedKit, key: PrivateKey) -> None:
    frozen = freeze(kit, director, "")
    text = states.states_text(states.states_of(frozen, key, "investigational", "released"))
    staged_path(kit.folder / STATES).write_text(text)
    mend(kit.folder, director)
    assert read_kit(kit.folder).state == "development"
    assert not staged_path(kit.folder / STATES).exists()
