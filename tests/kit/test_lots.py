"""Lots: what a lot file may hold, its signature, the lots held here, what its controls must show."""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ctdna.formats.keys import PrivateKey, new_key, trust_folder
from ctdna.formats.signed import signature_path
from ctdna.kit.load import LoadedKit, read_kit
from ctdna.kit.lots import (
    controls_of,
    find_lot,
    held_lots,
    lot_faults,
    lot_file,
    lots_folder,
    lots_for,
    place_lot,
    read_lot,
    write_lot,
)
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.lot import Lot, LotExpectation
from tests.kit import states

LABEL = "EGFR p.(Leu858Arg)"
KIT, NEXT = "ctdna-demo@1.0.0", "ctdna-demo@1.1.0"
FILE = "L1.ctdna-demo@1.0.0.json"


@pytest.fixture
def kit(tmp_path: Path, key: PrivateKey) -> LoadedKit:
    return states.move(states.copy_demo(tmp_path / "kits"), key, "investigational")


def lot_of(kit: LoadedKit, name: str = "L1", **changes: Any) -> Lot:
    return Lot(**{"lot": name, "kit": kit.address, "kit_digest": kit.digest, "expires": "2027-01-31", **changes})


def write(kit: LoadedKit, key: PrivateKey, folder: Path, **changes: Any) -> Path:
    lot = lot_of(kit, **changes)
    path = folder / lot_file(lot.lot, lot.kit)
    write_lot(lot, kit, path, key)
    return path


def test_a_lot_is_written_read_placed_and_found(tmp_path: Path, kit: LoadedKit, key: PrivateKey) -> None:
    path = write(kit, key, tmp_path, controls=(LotExpectation(label=LABEL, vaf_min=0.004, vaf_max=0.02),))
    held = read_lot(path)
    assert (held.lot, held.signer.name) == (lot_of(kit, controls=held.lot.controls), "acme")
    assert find_lot("L1", KIT) is None
    assert place_lot(held) == lots_folder() / FILE == place_lot(held)
    found = find_lot("L1", KIT)
    assert found is not None
    assert (found.lot, found.digest) == (held.lot, held.digest)
    assert [item.lot.lot for item in held_lots()] == ["L1"]


@pytest.mark.parametrize("name", ["../kits/L1", "L1/../L1", "", ".", "L1\n", "/etc/passwd", "L2"])
def test_a_name_that_is_no_lots_finds_nothing(tmp_path: Path, kit: LoadedKit, key: PrivateKey, name: str) -> None:
    place_lot(read_lot(write(kit, key, tmp_path)))
    assert find_lot(name, KIT) is None


@pytest.mark.req("REQ-LOT-001")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"expires": "2027-02-30"}, "day is out of range"),
        ({"expires": "20270131"}, "expected a date as 2027-01-31"),
        ({"name": "a/b"}, "String should match pattern"),
        ({"name": ".hidden"}, "String should match pattern"),
        ({"ntc_max_molecules": -1}, "greater than or equal to 0"),
        ({"input_ng_factor": 1.1}, "Extra inputs are not permitted"),
        ({"kit_digest": "abc"}, "String should match pattern"),
        ({"controls": (LotExpectation(label="x", vaf_min=0, vaf_max=1),) * 2}, "names an expected variant twice"),
    ],
)
def test_a_lot_holds_nothing_else(kit: LoadedKit, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        lot_of(kit, **changes)


@pytest.mark.req("REQ-LOT-001")
@pytest.mark.parametrize("address", ["../ctdna-demo@1.0.0", "ctdna-demo", "ctdna-demo@1.0.0\n", "a.b@1.0.0", "a@1.0"])
def test_a_lot_is_of_a_kit_version(kit: LoadedKit, address: str) -> None:
    facts = {**lot_of(kit).model_dump(), "kit": address}
    with pytest.raises(ValidationError, match="kit\n  String should match pattern"):
        Lot(**facts)


def test_an_expected_interval_is_one() -> None:
    with pytest.raises(ValidationError, match=r"x: vaf_min 0.2 is above vaf_max 0.1"):
        LotExpectation(label="x", vaf_min=0.2, vaf_max=0.1)


def test_what_no_lot_is_written_for(tmp_path: Path, kit: LoadedKit, key: PrivateKey) -> None:
    with pytest.raises(
        InputError, match=r"--control: `x` is no expected variant of kit ctdna-demo@1\.0\.0; known: EGFR"
    ):
        write(kit, key, tmp_path, controls=(LotExpectation(label="x", vaf_min=0, vaf_max=1),))
    write(kit, key, tmp_path)
    with pytest.raises(InputError, match=r"L1\.ctdna-demo@1\.0\.0\.json: exists already; a lot is never changed"):
        write(kit, key, tmp_path)
    loose = read_kit(states.copy_demo(tmp_path / "kits", "1.1.0"))
    with pytest.raises(DefinitionError, match=r"kit ctdna-demo@1\.1\.0 is not frozen; freeze it"):
        write(loose, key, tmp_path, name="L2")


def test_another_file_of_a_held_lot_is_refused(tmp_path: Path, kit: LoadedKit, key: PrivateKey) -> None:
    place_lot(read_lot(write(kit, key, tmp_path)))
    (tmp_path / "again").mkdir()
    other = read_lot(write(kit, key, tmp_path / "again", expires="2029-01-31"))
    with pytest.raises(
        DefinitionError, match=r"lot L1 of ctdna-demo@1\.0\.0 is held already, with another content \(\w{16}...\)"
    ):
        place_lot(other)
    found = find_lot("L1", KIT)
    assert found is not None
    assert found.lot.expires == "2027-01-31"


def _edit(path: Path) -> None:
    path.write_text(path.read_text().replace("2027-01-31", "2037-01-31"))


def _edit_model(path: Path) -> None:
    path.write_text("{}")


def _unsign(path: Path) -> None:
    signature_path(path).unlink()


def _spoil_signature(path: Path) -> None:
    signature_path(path).write_text("{}")


def _exchange(path: Path) -> None:
    kept = path.read_text(), signature_path(path).read_text()
    other = path.with_name(path.name.replace("L1", "L2"))
    path.write_text(other.read_text())
    signature_path(path).write_text(signature_path(other).read_text())
    assert kept[0] != path.read_text()


def _distrust(path: Path) -> None:
    for trusted in trust_folder("manufacturer").glob("*"):
        trusted.unlink()


@pytest.mark.req("REQ-LOT-001")
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_edit, f"{FILE}: signature: the signature of acme does not fit the content"),
        (_edit_model, f"{FILE}: lot: Field required; add the lot again from the manufacturer's file"),
        (_unsign, f"{FILE}.sig: the signature is missing"),
        (_spoil_signature, f"{FILE}.sig: key_id: Field required"),
        (_exchange, f"{FILE}: lot: is of lot L2 of {KIT}, not of L1 of {KIT}"),
        (_distrust, "(acme), which this machine does not trust"),
    ],
)
def test_a_held_lot_that_was_changed_is_refused(
    tmp_path: Path, kit: LoadedKit, key: PrivateKey, harm: Callable[[Path], None], message: str
) -> None:
    for name in ("L1", "L2"):
        place_lot(read_lot(write(kit, key, tmp_path, name=name)))
    harm(lots_folder() / FILE)
    with pytest.raises(DefinitionError, match=re.escape(message)):
        find_lot("L1", KIT)


@pytest.fixture
def following(tmp_path: Path, key: PrivateKey) -> LoadedKit:
    return states.move(states.copy_demo(tmp_path / "kits", "1.1.0"), key, "investigational")


@pytest.mark.req("REQ-LOT-004")
def test_a_lot_has_a_file_for_each_kit_version(
    tmp_path: Path, kit: LoadedKit, following: LoadedKit, key: PrivateKey
) -> None:
    for one, day in ((kit, "2027-01-31"), (following, "2026-06-30")):
        place_lot(read_lot(write(one, key, tmp_path, expires=day)))
    place_lot(read_lot(write(kit, key, tmp_path, name="L1.x")))
    assert sorted(path.name for path in lots_folder().glob("*.json")) == [
        "L1.ctdna-demo@1.0.0.json", "L1.ctdna-demo@1.1.0.json", "L1.x.ctdna-demo@1.0.0.json",
    ]  # fmt: skip
    for address, day in ((KIT, "2027-01-31"), (NEXT, "2026-06-30")):
        found = find_lot("L1", address)
        assert found is not None
        assert (found.lot.lot, found.lot.kit, found.lot.expires) == ("L1", address, day)
        assert lots_for("L1", address) == (found,) == held_lots("L1", address)
    assert [(one.lot.lot, one.lot.kit) for one in held_lots()] == [("L1", KIT), ("L1", NEXT), ("L1.x", KIT)]
    assert [one.lot.lot for one in held_lots(kit=KIT)] == ["L1", "L1.x"]
    assert find_lot("L1.ctdna-demo@1", "0.0") is None
    other = read_lot(write(following, key, lots_folder().parent, expires="2028-01-31"))
    with pytest.raises(DefinitionError, match=r"lot L1 of ctdna-demo@1\.1\.0 is held already, with another content"):
        place_lot(other)


@pytest.mark.req("REQ-LOT-002", "REQ-LOT-004")
def test_a_lot_of_other_kit_versions_names_them_and_the_first_to_expire_counts(
    tmp_path: Path, kit: LoadedKit, following: LoadedKit, key: PrivateKey
) -> None:
    place_lot(read_lot(write(kit, key, tmp_path, expires="2027-01-31")))
    place_lot(read_lot(write(following, key, tmp_path, expires="2026-06-30")))
    third = read_kit(states.copy_demo(tmp_path / "kits", "1.2.0"))
    found = lots_for("L1", third.address)
    assert [one.lot.kit for one in found] == [NEXT, KIT]
    (other, what), (expired, _) = lot_faults(found, third, date(2026, 7, 1))
    assert (other, expired) == ("lot_of_other_kit", "lot_expired")
    of = [f"{one.address} with content {one.digest[:16]}..." for one in (following, kit, third)]
    assert what == f"lot L1 is of {of[0]} and of {of[1]}, not of {of[2]}"
    assert lot_faults(lots_for("L1", KIT), kit, date(2026, 7, 1)) == ()
    assert lots_for("L2", KIT) == ()


@pytest.mark.req("REQ-LOT-004")
def test_a_harmed_file_of_another_kit_version_does_not_touch_the_kits_own(
    tmp_path: Path, kit: LoadedKit, following: LoadedKit, key: PrivateKey
) -> None:
    for one in (kit, following):
        place_lot(read_lot(write(one, key, tmp_path)))
    _edit(lots_folder() / FILE)
    assert [one.lot.kit for one in lots_for("L1", NEXT)] == [NEXT]
    with pytest.raises(DefinitionError, match="the signature of acme does not fit the content"):
        lots_for("L1", "ctdna-demo@1.2.0")


@pytest.mark.req("REQ-LOT-004")
def test_a_file_under_the_name_of_another_kit_version_is_refused(
    tmp_path: Path, kit: LoadedKit, key: PrivateKey
) -> None:
    path = place_lot(read_lot(write(kit, key, tmp_path)))
    moved = lots_folder() / lot_file("L1", NEXT)
    signature_path(path).rename(signature_path(moved))
    path.rename(moved)
    with pytest.raises(DefinitionError, match=rf"lot: is of lot L1 of {KIT}, not of L1 of {NEXT}"):
        find_lot("L1", NEXT)


@pytest.mark.req("REQ-LOT-001")
def test_a_signature_for_a_kit_or_of_a_stranger_is_none_for_a_lot(
    tmp_path: Path, kit: LoadedKit, key: PrivateKey
) -> None:
    stranger = new_key("acme", None, tmp_path / "stranger")
    with pytest.raises(DefinitionError, match="which this machine does not trust"):
        read_lot(write(kit, stranger, tmp_path))
    path = write(kit, key, tmp_path, name="L2")
    signature_path(path).write_text(key.sign("kit-state", path.read_bytes()).model_dump_json())
    with pytest.raises(DefinitionError, match="was given for kit-state, needed is one for lot"):
        read_lot(path)


@pytest.mark.req("REQ-LOT-003")
def test_the_lots_controls_take_the_place_of_the_kits(kit: LoadedKit) -> None:
    controls = kit.definition.controls
    assert controls_of(controls, lot_of(kit)) == controls
    lot = lot_of(kit, controls=(LotExpectation(label=LABEL, vaf_min=0.5, vaf_max=0.75),), ntc_max_molecules=3)
    merged = controls_of(controls, lot)
    assert merged.ntc_max_molecules == 3
    for before, after in zip(controls.positive, merged.positive, strict=True):
        if before.label == LABEL:
            assert after == before.model_copy(update={"vaf_min": 0.5, "vaf_max": 0.75})
        else:
            assert after == before
    assert any(item.label == LABEL for item in merged.positive)
