"""A small ledger with a person of each role; passwords and keys are made for the test."""

from collections.abc import Callable
from typing import NamedTuple

from ctdna.formats.keys import PrivateKey, new_key
from ctdna.ledger.ledger import Ledger
from ctdna.ledger.open import init_ledger, utc_now
from ctdna.ledger.records import Actor
from ctdna.model import ledger as model

QUICK = model.LedgerSettings(argon2_passes=1, argon2_memory_kib=8, argon2_lanes=1, max_failed_logins=3)
RUN_ID = "240101_A00001_0001_AHXYZ"
RUN = f"{RUN_ID}:0123456789abcdef"
SITE = "north-lab"
PEOPLE: dict[str, tuple[model.Role, ...]] = {
    "tech": ("technician",),
    "rev": ("reviewer",),
    "dir": ("director",),
    "aud": ("auditor",),
}


SIGNERS = ("rev", "dir")
"""Who sign results here, and so have changed the password that the administrator gave them."""


def digest(letter: str) -> str:
    """Return a digest, told apart by a hex letter."""
    return letter * 64


def password(user: str) -> str:
    """Return the password of a person of this world."""
    return f"0pens nothing {user.encode().hex()}"


def first_password(user: str) -> str:
    """Return the password that the administrator gave a person, who has changed it."""
    return f"g1ven by another {user.encode().hex()}"


class World(NamedTuple):
    """A ledger and its site's key; people: root (administrator), tech, rev, dir, aud."""

    ledger: Ledger
    key: PrivateKey

    def actor(self, user: str) -> Actor:
        """Return a person, logged in."""
        return self.ledger.authenticate(user, password(user))

    def sign(self, user: str, meaning: model.Meaning, sample: str = "s1", version: int = 1, of: str = "b") -> None:
        """Sign a result."""
        self.ledger.sign_result(
            user, password(user), run=RUN, sample=sample, version=version, digest=digest(of), meaning=meaning
        )

    def work(self) -> None:
        """Make a run of two samples with a lot, an override, results, signatures, evidence, and an export."""
        record, tech, director = self.ledger.record, self.actor("tech"), self.actor("dir")
        root = self.actor("root")
        record(root, model.InstrumentAdded(serial="A00001", model="NovaSeq 6000", site=SITE))
        record(director, kit_moved(None, "investigational"))
        record(tech, lot("L1"))
        record(tech, run_started())
        override = self.ledger.grant_override(director, "lot_expired", RUN_ID, "last samples of a patient")
        self.ledger.use_override(tech, override, "lot_expired", RUN)
        for sample in ("s1", "s2"):
            record(tech, result(sample))
        record(tech, model.RunFinished(run=RUN, bundle_digest=digest("c"), verdict="pass"))
        self.sign("rev", "reviewed")
        self.sign("dir", "approved")
        record(tech, result("s1", version=2, of="d"), why="typing error in the name of the tube")
        record(self.actor("rev"), evidence())
        carried = model.EvidenceCarried(
            evidence_id="E1", kit="ctdna-demo@1.1.0", kit_digest=digest("e"), stage="validation", rule="R1 of 1.0"
        )
        record(director, carried)
        record(director, exported())


def kit_moved(before: str | None, after: str) -> model.KitMoved:
    """Return a move of the demo kit."""
    return model.KitMoved.model_validate(
        {
            "kit": "ctdna-demo@1.0.0",
            "kit_digest": digest("a"),
            "from_state": before,
            "to_state": after,
            "preconditions": {"build": "locked"},
            "statement_digest": None,
        }
    )


def lot(name: str, expires: str = "2030-12-31", kit: str = "ctdna-demo@1.0.0") -> model.LotAdded:
    """Return a lot of the demo kit."""
    return model.LotAdded(lot=name, kit=kit, kit_digest=digest("a"), expires=expires, digest=digest("f"))


def run_started(run: str = RUN) -> model.RunStarted:
    """Return the start of the run."""
    return model.RunStarted(
        run=run,
        run_id=run.split(":")[0],
        kit="ctdna-demo@1.0.0",
        kit_digest=digest("a"),
        lot="L1",
        build_digest=digest("1"),
        instrument="A00001",
        use="research",
        samples=("s1", "s2"),
    )


def result(sample: str = "s1", version: int = 1, of: str = "b") -> model.ResultMade:
    """Return a version of a sample's result."""
    return model.ResultMade(run=RUN, sample=sample, version=version, digest=digest(of), verdict="pass")


def evidence(name: str = "E1") -> model.EvidenceAdded:
    """Return one result of a study."""
    return model.EvidenceAdded(
        evidence_id=name,
        study="EP17-LoD",
        claim="lod95",
        variant_classes=("snv", "indel"),
        stage="investigational",
        kit="ctdna-demo@1.0.0",
        kit_digest=digest("a"),
        panel_digest=digest("2"),
        lot="L1",
        site=SITE,
        instrument="A00001",
        build_digest=digest("1"),
        data={"lod.tsv": digest("3")},
        outcome="LoD95 0.31 % (0.27 to 0.38 %)",
    )


def exported() -> model.BundleExported:
    """Return the export of a bundle."""
    return model.BundleExported(
        bundle_digest=digest("4"),
        run=RUN,
        recipient="another laboratory",
        purpose="comparison",
        approval="EC 12/2026",
        content="de-identified",
    )


def make_world(
    settings: model.LedgerSettings = QUICK, clock: Callable[[], str] = utc_now, url: str | None = None
) -> World:
    """Make the ledger in CTDNA_HOME, which must be the test's own, with a person of each role."""
    key = new_key("north-key", None)
    site = model.SiteAdded(site=SITE, name="Northern Laboratory", key_id=key.public.key_id)
    ledger = init_ledger(site, key, "root", "Rita Root", password("root"), settings, url, clock=clock)
    root = ledger.authenticate("root", password("root"))
    for user, roles in PEOPLE.items():
        given = first_password(user) if user in SIGNERS else password(user)
        ledger.add_user(root, user, f"{user.title()} Person", roles, given)
        if user in SIGNERS:
            ledger.change_password(user, given, password(user))
    return World(ledger, key)
