"""The links from a bundle to the ledger of its site, where that is at hand, and to kit and build on this machine."""

from collections.abc import Iterator

from ctdna import __version__
from ctdna.build.lock import lock_of
from ctdna.bundle.layout import SEAL
from ctdna.bundle.source import ZipSource
from ctdna.bundle.verify import Case, Link, Opened, head_text
from ctdna.bundle.verify_approvals import Signed
from ctdna.bundle.verify_results import Rendering
from ctdna.kit.load import known_kits, load_kit
from ctdna.ledger.ledger import Ledger
from ctdna.model.bundle import Bundle
from ctdna.model.errors import DefinitionError
from ctdna.model.ledger import Entry, Head

_HINT = "run ctdna ledger verify, and compare with a checkpoint kept elsewhere"


def check_kit(case: Case, bundle: Bundle) -> Link:
    """Return the link to the kit on this machine.

    Raises:
        DefinitionError: the kit here has another digest, and is no development version.
    """
    if bundle.kit not in known_kits():
        return Link("kit", f"{bundle.kit} is not on this machine: not compared", True)
    kit = load_kit(bundle.kit)
    if kit.digest == bundle.kit_digest:
        return Link("kit", f"{bundle.kit}, digest {kit.digest[:16]}...")
    if bundle.kit_state == kit.state == "development":
        return Link("kit", f"{bundle.kit} (development) has changed since: digest {kit.digest[:16]}...", True)
    what = f"{bundle.kit} on this machine has digest {kit.digest[:16]}..., the bundle says {bundle.kit_digest[:16]}..."
    raise DefinitionError(case.source.place(case.folder + "bundle.json"), "kit", what, "one of both is not genuine")


def check_build(bundle: Bundle) -> tuple[Link, Rendering]:
    """Return the link to the build on this machine, and how strictly renderings made here are to be compared."""
    if bundle.build is None:
        is_same, named = bundle.software == __version__, f"ctdna {bundle.software} (no digest of the build)"
    else:
        is_same, named = bundle.build == lock_of().digest, f"build {bundle.build[:16]}..."
    if is_same:
        return Link("build", f"{named}, as on this machine"), "compare"
    return Link("build", f"{named}; this machine has another", True), "compare, other build"


def _entry(ledger: Ledger, sequence: int) -> Entry | None:
    for entry in ledger.entries(after=sequence - 1):
        return entry
    return None


def _check_contained(case: Case, ledger: Ledger, path: str, head: Head) -> None:
    found = _entry(ledger, head.sequence)
    if found is None or found.digest != head.digest:
        what = f"names entry {head.sequence} ({head.digest[:16]}...), which the ledger here does not hold"
        raise DefinitionError(case.source.place(path), "ledger", what, _HINT)


def check_ledger(case: Case, opened: Opened, signed: list[Signed], ledger: Ledger | None) -> Iterator[Link]:
    """Yield the links to the ledger here: the seal's head and the signatures' entries stand in it as they say.

    Raises:
        DefinitionError: an entry is not in the ledger, or the ledger knows an approval that is missing here.
    """
    head = opened.seal.ledger
    if head is None:
        yield Link("ledger", "the run has none", True)
        return
    if ledger is None or head.site not in {site.site for site in ledger.sites()}:
        yield Link("ledger", f"{head_text(head)} is sealed; that ledger is not on this machine: not compared", True)
        return
    _check_contained(case, ledger, case.folder + SEAL, head)
    n = 0
    for version in signed:
        for entry in version.entries:
            n += 1
            place = f"reports/{version.sample}/v{version.sign_off.version}"
            _check_contained(case, ledger, place, Head(site=entry.site, sequence=entry.sequence, digest=entry.digest))
    yield Link("ledger", f"{head_text(head)} and {n} entries of signatures and amendments stand in it")
    yield from _check_latest(case, opened, signed, ledger)


def _check_latest(case: Case, opened: Opened, signed: list[Signed], ledger: Ledger) -> Iterator[Link]:
    """Find approvals that the ledger knows, but which are not here."""
    if opened.bundle.content != "full":
        return
    for sample in opened.samples:
        here = {item.sign_off.version for item in signed if item.sample == sample and item.sign_off.is_approved}
        for record in ledger.results(opened.bundle.run, sample):
            if record.approved_by is None or record.version in here:
                continue
            what = f"version {record.version} of {sample} is approved in the ledger, but is not here"
            if not isinstance(case.source, ZipSource):
                raise DefinitionError(case.source.place(f"reports/{sample}"), "", what, "restore its folder")
            yield Link("ledger", f"{what}: the archive is older", True)
