"""References on this machine: checked against a kit, indexed once, found again by name.

The store is `$CTDNA_HOME/references`, or else `ctdna/references` in the user's data folder. Each reference is one
folder with `reference.fa`, its indexes and `reference.json`; it appears under its name when it is whole.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from ctdna.formats.atomic import writable_error
from ctdna.formats.documents import read_json, write_json
from ctdna.formats.fasta import Reference, index_fasta
from ctdna.formats.home import home
from ctdna.formats.kit_tables import read_contigs
from ctdna.formats.sequences import SequenceDigest, copy_fasta
from ctdna.kit.load import LoadedKit
from ctdna.model.annotation import ContigPlace
from ctdna.model.base import Frozen
from ctdna.model.errors import DefinitionError, InputError, ProgramError
from ctdna.stages.annotation.genome import Genome

Form = Literal["genome", "slices"]
FASTA = "reference.fa"
DESCRIPTION = "reference.json"
_INDEX_SUFFIXES = (".fai", ".amb", ".ann", ".bwt", ".pac", ".sa")
_WRONG_GENOME = "give the genome that the kit names: assembly, patch and masking matter"


class StoredContig(Frozen):
    """One sequence of a stored reference."""

    name: str
    length: int
    md5: str


class StoredReference(Frozen):
    """What `reference.json` says of a stored reference."""

    name: str
    form: Form
    n_bytes: int
    """Size of the FASTA."""
    contigs: tuple[StoredContig, ...]


class KitReference(NamedTuple):
    """One form in which a kit's reference may come."""

    form: Form
    name: str
    """Folder in the store."""
    places: tuple[ContigPlace, ...]


def store_root() -> Path:
    """Return the folder of the stored references."""
    return home() / "references"


def kit_references(kit: LoadedKit) -> list[KitReference]:
    """Return the forms of the kit's reference: the genome first, then its slices where the kit allows them.

    Raises:
        DefinitionError: a table of contigs is missing.
        InputError: a table of contigs is not well formed.
    """
    wanted = kit.definition.reference
    forms = [KitReference("genome", wanted.name, read_contigs(kit.path(wanted.contigs)))]
    if wanted.slices is not None:
        forms.append(KitReference("slices", f"{wanted.name}-slices", read_contigs(kit.path(wanted.slices))))
    return forms


def _alias(places: tuple[ContigPlace, ...], name: str) -> str:
    known = {place.contig for place in places}
    for candidate in (name, f"chr{name}", "chrM" if name == "MT" else name, name.removeprefix("chr")):
        if candidate in known:
            return candidate
    return name


def _mismatch(place: ContigPlace, found: dict[str, SequenceDigest]) -> tuple[str, str] | None:
    """Return what differs as (contig, sentence); None where the sequence is the right one."""
    have = found.get(place.contig)
    if have is None:
        names = ", ".join(list(found)[:5])
        return place.contig, f"the kit needs this contig ({place.length} bases); the file holds {len(found)}: {names}"
    if have.length != place.length:
        return place.contig, f"found {have.length} bases, the kit allows {place.length}"
    if have.md5 != place.md5:
        return place.contig, f"found a sequence of MD5 {have.md5}, the kit allows {place.md5}"
    return None


def _match(forms: list[KitReference], fasta: Path, found: list[SequenceDigest]) -> KitReference:
    by_name = {digest.name: digest for digest in found}
    failures: list[tuple[int, tuple[str, str]]] = []
    for form in forms:
        wrong = [miss for place in form.places if (miss := _mismatch(place, by_name)) is not None]
        if not wrong:
            return form
        present = [miss for miss in wrong if miss[0] in by_name]
        n_present = sum(place.contig in by_name for place in form.places)
        failures.append((n_present, (present or wrong)[0]))
    contig, what = max(failures, key=lambda item: item[0])[1]
    raise DefinitionError(fasta, f"contig {contig}", what, _WRONG_GENOME)


def add_reference(kit: LoadedKit, fasta: Path, store: Path | None = None) -> Path:
    """Check a FASTA against the kit, store and index it, and return the path of the stored FASTA.

    Contigs named as `7` are stored as the kit names them, `chr7`. A reference that is stored already is kept.

    Raises:
        InputError: the file cannot be read or is no FASTA; the store cannot be written.
        DefinitionError: a sequence that the kit needs is missing or is another one.
        ProgramError: the aligner that builds the index is missing or failed.
    """
    root = store or store_root()
    forms = kit_references(kit)
    places = tuple(place for form in forms for place in form.places)
    with _work_folder(root) as work:
        with (work / FASTA).open("wb") as target:
            digests = copy_fasta(fasta, lambda name: _alias(places, name), target)
        form = _match(forms, fasta, digests)
        if not (root / form.name).exists():
            _index(work / FASTA, kit.definition.align.aligner)
            _describe(work, form, digests)
            _publish(work, root / form.name)
    return _checked(root / form.name, form)


@contextmanager
def _work_folder(root: Path) -> Iterator[Path]:
    """Yield a new folder in the store that is gone afterwards, unless it was renamed."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".adding-", dir=root))
        work.chmod(0o755)
    except OSError as error:
        raise writable_error(root, error) from error
    try:
        yield work
    except OSError as error:
        raise writable_error(root, error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _publish(work: Path, final: Path) -> None:
    try:
        work.rename(final)
    except OSError:
        if not (final / DESCRIPTION).is_file():
            raise


def _index(fasta: Path, aligner: str) -> None:
    index_fasta(fasta)
    if aligner != "bwa":
        raise ProgramError(None, aligner, "no index can be built for this aligner", "the kit must name `bwa`")
    program = shutil.which("bwa")
    if program is None:
        raise ProgramError(
            None, "bwa", "the program is not found", "install bwa, or run the command that sets up ctdna"
        )
    done = subprocess.run([program, "index", fasta.name], cwd=fasta.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ProgramError(fasta, "bwa index", f"failed with code {done.returncode}: {last}", "see the message")


def _describe(folder: Path, form: KitReference, digests: list[SequenceDigest]) -> None:
    contigs = tuple(StoredContig(name=item.name, length=item.length, md5=item.md5) for item in digests)
    size = (folder / FASTA).stat().st_size
    write_json(folder / DESCRIPTION, StoredReference(name=form.name, form=form.form, n_bytes=size, contigs=contigs))


def _checked(folder: Path, form: KitReference) -> Path:
    """Return the stored FASTA after a check of what `reference.json` says of it."""
    fasta = folder / FASTA
    hint = f"remove {folder} and add the reference again"
    try:
        stored = read_json(folder / DESCRIPTION, StoredReference)
        size = fasta.stat().st_size
    except (OSError, InputError) as error:
        raise DefinitionError(folder, "", f"the stored reference is damaged: {error}", hint) from error
    if size != stored.n_bytes:
        raise DefinitionError(fasta, "", f"has {size} bytes, was stored with {stored.n_bytes}", hint)
    for suffix in _INDEX_SUFFIXES:
        if not Path(f"{fasta}{suffix}").is_file():
            raise DefinitionError(f"{fasta}{suffix}", "", "this index is missing", hint)
    by_name = {item.name: SequenceDigest(item.name, item.length, item.md5) for item in stored.contigs}
    for place in form.places:
        wrong = _mismatch(place, by_name)
        if wrong is not None:
            raise DefinitionError(fasta, f"contig {wrong[0]}", wrong[1], _WRONG_GENOME)
    return fasta


def stored_fasta(form: KitReference, store: Path | None = None) -> Path | None:
    """Return the stored FASTA of one form of a kit's reference, checked; None where it was not added.

    Raises:
        DefinitionError: the stored one is damaged or not the kit's.
    """
    folder = (store or store_root()) / form.name
    return _checked(folder, form) if folder.is_dir() else None


def resolve_reference(kit: LoadedKit, store: Path | None = None) -> Path:
    """Return the FASTA that the kit's coordinates stand on, indexed; one that ships with the kit is added on first use.

    Raises:
        InputError: the reference was not added yet.
        DefinitionError: the stored one is damaged or not the kit's.
        ProgramError: the aligner that builds the index is missing or failed.
    """
    genome, *others = kit_references(kit)
    path = stored_fasta(genome, store)
    if path is not None:
        return path
    wanted = kit.definition.reference
    if wanted.fasta is not None:
        return add_reference(kit, kit.path(wanted.fasta), store)
    what = f"reference {wanted.name} ({wanted.assembly}) of kit {kit.address} was not added on this machine"
    hint = f"run `ctdna reference add GENOME.fa --kit {kit.address}` once"
    if any(stored_fasta(form, store) is not None for form in others):
        hint += f"; slices of it are there: `ctdna kit slice {kit.address}` makes a kit for them"
    raise InputError(None, "", what, hint)


def genome_of(reference: Reference, places: tuple[ContigPlace, ...]) -> Genome:
    """Return access by genome coordinates to an open reference whose contigs lie at these places."""

    def fetch(contig: str, start0: int, end0: int) -> str:
        return reference.fetch(contig, start0, end0).tobytes().decode()

    return Genome(fetch, places)


def stored_references(store: Path | None = None) -> list[StoredReference]:
    """Return what the store holds, by name.

    Raises:
        InputError: a `reference.json` is damaged.
    """
    root = store or store_root()
    return [read_json(path, StoredReference) for path in sorted(root.glob(f"[!.]*/{DESCRIPTION}"))]
