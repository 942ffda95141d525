"""Lots: what a lot file may hold, its signature, the lots held here, what its controls must show."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ctdna.formats.keys import PrivateKey, new_key, trust_folder
from ctdna.formats.signed import signature_path
from ctdna.kit.load import LoadedKit, read_kit
from ctdna.kit.lots import controls_of, find_lot, held_lots, lots_folder, place_lot, read_lot, write_lot
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.lot import Lot, LotExpectation
from tests.kit import states

LABEL = "EGFR p.(Leu858Arg)"


@pytest.fixture
def kit(tmp_path: Path, key: PrivateKey) -> LoadedKit:
    return states.move(states.copy_demo(tmp_path / "kits"), key, "investigational")


def lot_of(kit: LoadedKit, name: str = "L1", **changes: Any) -> Lot:
    return Lot(**{"lot": name, "kit": kit.address, "kit_digest": kit.digest, "expires": "2027-01-31", **changes})


def write(kit: LoadedKit, key: PrivateKey, folder: Path, **changes: Any) -> Path:
    lot = lot_of(kit, **changes)
    path = folder / f"{lot.lot}.json"
    write_lot(lot, kit, path, key)
    return path


def test_a_lot_is_written_read_placed_and_found(tmp_path: Path, kit: LoadedKit, key: PrivateKey) -> None:
    path = write(kit, key, tmp_path, controls=(LotExpectation(label=LABEL, vaf_min=0.004, vaf_max=0.02),))
    held = read_lot(path)
    assert (held.lot, held.signer.name) == (lot_of(kit, controls=held.lot.controls), "acme")
    assert find_lot("L1") is None
    assert place_lot(held) == lots_folder() / "L1.json" == place_lot(held)
    found = find_lot("L1")
    assert found is not None
    assert (found.lot, found.digest) == (held.lot, held.digest)
    assert [item.lot.lot for item in held_lots()] == ["L1"]


@pytest.mark.parametrize("name", ["../kits/L1", "L1/../L1", "", ".", "L1\n", "/etc/passwd", "L2"])
def test_a_name_that_is_no_lots_finds_nothing(tmp_path: Path, kit: LoadedKit, key: PrivateKey, name: str) -> None:
    place_lot(read_lot(write(kit, key, tmp_path)))
    assert find_lot(name) is None


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


def test_an_expected_interval_is_one() -> None:
    with pytest.raises(ValidationError, match=r"x: vaf_min 0.2 is above vaf_max 0.1"):
        LotExpectation(label="x", vaf_min=0.2, vaf_max=0.1)


def test_what_no_lot_is_written_for(tmp_path: Path, kit: LoadedKit, key: PrivateKey) -> None:
    with pytest.raises(
        InputError, match=r"--control: `x` is no expected variant of kit ctdna-demo@1\.0\.0; known: EGFR"
    ):
        write(kit, key, tmp_path, controls=(LotExpectation(label="x", vaf_min=0, vaf_max=1),))
    write(kit, key, tmp_path)
    with pytest.raises(InputError, match=r"L1\.json: exists already; a lot is never changed"):
        write(kit, key, tmp_path)
    loose = read_kit(states.copy_demo(tmp_path / "kits", "1.1.0"))
    with pytest.raises(DefinitionError, match=r"kit ctdna-demo@1\.1\.0 is not frozen; freeze it"):
        write(loose, key, tmp_path, name="L2")


def test_another_file_of_a_held_lot_is_refused(tmp_path: Path, kit: LoadedKit, key: PrivateKey) -> None:
    place_lot(read_lot(write(kit, key, tmp_path)))
    (tmp_path / "again").mkdir()
    other = read_lot(write(kit, key, tmp_path / "again", expires="2029-01-31"))
    with pytest.raises(DefinitionError, match=r"lot L1 is held already, with another content \(\w{16}...\)"):
        place_lot(other)
    found = find_lot("L1")
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
    other = path.with_name("L2.json")
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
        (_edit, "L1.json: signature: the signature of acme does not fit the content"),
        (_edit_model, "L1.json: lot: Field required; add the lot again from the manufacturer's file"),
        (_unsign, "L1.json.sig: the signature is missing"),
        (_spoil_signature, "L1.json.sig: key_id: Field required"),
        (_exchange, "L1.json: lot: is of lot L2, not of L1"),
        (_distrust, "(acme), which this machine does not trust"),
    ],
)
def test_a_held_lot_that_was_changed_is_refused(
    tmp_path: Path, kit: LoadedKit, key: PrivateKey, harm: Callable[[Path], None], message: str
) -> None:
    for name in ("L1", "L2"):
        place_lot(read_lot(write(kit, key, tmp_path, name=name)))
    harm(lots_folder() / "L1.json")
    with pytest.raises(DefinitionError, match=re.escape(message)):
        find_lot("L1")


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
