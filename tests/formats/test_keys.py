"""Keys and signatures: RFC 8032's own vectors through our message, refusals, files' rights."""

import hashlib
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from ctdna.cli.keys import command
from ctdna.formats import keys
from ctdna.formats.documents import dump_json
from ctdna.formats.signed import read_signed, signature_path, write_signed
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.signature import Signature
from ctdna.model.trace import BuildFacts

RFC8032_SECRET = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC8032_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
KEY = keys.PrivateKey("acme", Ed25519PrivateKey.from_private_bytes(RFC8032_SECRET))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_key_id_is_the_digest_of_the_published_public_key() -> None:
    assert KEY.public.key_id == hashlib.sha256(RFC8032_PUBLIC).hexdigest()[:16]


@pytest.mark.req("REQ-KEY-001")
def test_a_signature_is_one_of_rfc_8032_over_purpose_and_digest() -> None:
    signature = KEY.sign("lot", b"content")
    message = b"ctdna\0lot\0acme\0" + hashlib.sha256(b"content").digest()
    Ed25519PublicKey.from_public_bytes(RFC8032_PUBLIC).verify(bytes.fromhex(signature.value), message)
    assert signature == KEY.sign("lot", b"content")


@pytest.mark.req("REQ-KEY-001")
@given(content=st.binary(max_size=40), at=st.integers(0, 511))
def test_any_changed_bit_of_signature_or_content_is_found(content: bytes, at: int) -> None:
    signature = KEY.sign("bundle", content)
    assert KEY.public.holds(signature, "bundle", content)
    changed = bytearray(bytes.fromhex(signature.value))
    changed[at // 8] ^= 1 << (at % 8)
    assert not KEY.public.holds(signature.model_copy(update={"value": changed.hex()}), "bundle", content)
    assert not KEY.public.holds(signature, "bundle", content + b"\0")


@pytest.mark.req("REQ-KEY-001")
def test_a_signature_serves_its_purpose_and_its_key_only() -> None:
    signature = KEY.sign("lot", b"x")
    other = keys.PrivateKey("other", Ed25519PrivateKey.generate())
    assert not KEY.public.holds(signature, "build", b"x")
    assert not KEY.public.holds(signature.model_copy(update={"purpose": "build"}), "build", b"x")
    assert not KEY.public.holds(signature.model_copy(update={"signer": "somebody"}), "lot", b"x")
    assert not other.public.holds(signature, "lot", b"x")
    assert not other.public.holds(signature.model_copy(update={"key_id": other.public.key_id}), "lot", b"x")


@pytest.mark.req("REQ-KEY-004")
@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_a_key_comes_back_from_its_files(home: Path, passphrase: bytes | None) -> None:
    made = keys.new_key("acme", passphrase)
    path = home / "keys" / "acme.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = keys.read_private_key(path, passphrase)
    assert again.sign("lot", b"x") == made.sign("lot", b"x")
    assert keys.read_public_key(home / "keys" / "acme.pub").key_id == made.public.key_id
    assert not list((home / "keys").glob(".*"))


@pytest.mark.req("REQ-KEY-003")
def test_keys_are_never_replaced(home: Path) -> None:
    keys.new_key("acme", None)
    with pytest.raises(InputError, match=r"acme\.key: a key of this name is there already; choose another name"):
        keys.new_key("acme", None)


@pytest.mark.req("REQ-KEY-004")
def test_private_keys_that_cannot_be_opened_are_refused(home: Path, tmp_path: Path) -> None:
    keys.new_key("open", None)
    keys.new_key("shut", b"secret")
    with pytest.raises(InputError, match="is protected by a passphrase"):
        keys.read_private_key(home / "keys" / "shut.key", None)
    with pytest.raises(InputError, match="or the passphrase is wrong"):
        keys.read_private_key(home / "keys" / "shut.key", b"guess")
    with pytest.raises(InputError, match="has no passphrase, but one is given"):
        keys.read_private_key(home / "keys" / "open.key", b"secret")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        keys.read_private_key(tmp_path / "none.key", None)
    rsa = generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "rsa.key").write_bytes(rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "rsa.pub").write_bytes(rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(InputError, match="is not an Ed25519 key"):
        keys.read_private_key(tmp_path / "rsa.key", None)
    with pytest.raises(InputError, match="is not an Ed25519 public key"):
        keys.read_public_key(tmp_path / "rsa.pub")
    with pytest.raises(InputError, match="is no public key in PEM form"):
        keys.read_public_key(home / "keys" / "open.key")


@pytest.mark.req("REQ-KEY-003")
def test_trust_is_by_role_and_holds_one_key_a_name(home: Path, tmp_path: Path) -> None:
    made = keys.new_key("acme", None)
    pub = home / "keys" / "acme.pub"
    assert keys.trust(pub, "manufacturer").key_id == keys.trust(pub, "manufacturer").key_id == made.public.key_id
    assert list(keys.trusted_keys("manufacturer")) == [made.public.key_id]
    assert keys.trusted_keys("site") == {}
    keys.new_key("acme", None, tmp_path)
    with pytest.raises(InputError, match="a key of this name is there already"):
        keys.trust(tmp_path / "acme.pub", "manufacturer")


def _signed(folder: Path) -> Path:
    path = folder / "build.json"
    write_signed(path, BuildFacts(digest="ab", state="locked"), "build", KEY)
    return path


TRUSTED = {KEY.public.key_id: KEY.public}


def test_a_signed_document_comes_back_with_its_signer(tmp_path: Path) -> None:
    document, key = read_signed(_signed(tmp_path), BuildFacts, "build", "manufacturer", TRUSTED)
    assert (document.digest, key.name) == ("ab", "acme")


@pytest.mark.req("REQ-KEY-002")
def test_a_signed_document_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = _signed(tmp_path)
    path.write_text(path.read_text().replace('"ab"', '"ac"'))
    with pytest.raises(DefinitionError, match=r"build\.json: signature: the signature of acme does not fit"):
        read_signed(path, BuildFacts, "build", "manufacturer", TRUSTED)


@pytest.mark.req("REQ-KEY-002")
def test_a_signed_document_of_an_unknown_key_is_refused(tmp_path: Path, home: Path) -> None:
    with pytest.raises(DefinitionError, match=r"is signed by key [0-9a-f]{16} \(acme\), which this machine does not"):
        read_signed(_signed(tmp_path), BuildFacts, "build", "manufacturer")


@pytest.mark.req("REQ-KEY-002")
def test_a_signature_given_for_something_else_is_refused(tmp_path: Path) -> None:
    path = _signed(tmp_path)
    signature = KEY.sign("lot", path.read_bytes())
    signature_path(path).write_text(dump_json(signature))
    with pytest.raises(DefinitionError, match="was given for lot, needed is one for build"):
        read_signed(path, BuildFacts, "build", "manufacturer", TRUSTED)


@pytest.mark.req("REQ-KEY-002")
def test_a_missing_or_broken_signature_is_refused(tmp_path: Path) -> None:
    path = _signed(tmp_path)
    signature_path(path).write_text("{}")
    with pytest.raises(DefinitionError, match=r"build\.json\.sig: key_id: Field required"):
        read_signed(path, BuildFacts, "build", "manufacturer", TRUSTED)
    signature_path(path).unlink()
    with pytest.raises(DefinitionError, match=r"build\.json\.sig: the signature is missing"):
        read_signed(path, BuildFacts, "build", "manufacturer", TRUSTED)


def test_the_commands_make_trust_and_list_keys(home: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    made = runner.invoke(command, ["new", "acme", "--passphrase-file", str(secret)])
    name, key_id, path = made.output.strip().split("\t")
    assert (made.exit_code, name) == (0, "acme")
    assert keys.read_private_key(home / "keys" / "acme.key", b"correct horse").public.key_id == key_id
    trusted = runner.invoke(command, ["trust", path, "--role", "site"])
    assert trusted.output == f"trusted as site\tacme\t{key_id}\n"
    listed = runner.invoke(command, ["list"]).output
    assert listed == f"own\tacme\t{key_id}\nsite\tacme\t{key_id}\n"


@pytest.mark.parametrize("name", ["Acme", "a/b", "..", ""])
def test_names_of_keys_are_small_words(home: Path, name: str) -> None:
    result = CliRunner().invoke(command, ["new", name])
    assert isinstance(result.exception, InputError)
    assert "use small letters, digits and dashes" in str(result.exception)


def test_an_empty_passphrase_is_refused(home: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    result = CliRunner().invoke(command, ["new", "acme", "--passphrase-file", str(empty)])
    assert "line 1: is empty" in str(result.exception)


def test_the_model_of_a_signature_is_closed() -> None:
    with pytest.raises(ValueError, match="extra"):
        Signature.model_validate({**KEY.sign("lot", b"").model_dump(), "note": "x"})
