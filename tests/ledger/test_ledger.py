"""The ledger as the rest of the program uses it: log-in, rights, entries, signatures, overrides, accounts."""

from ctdna.ledger.current import subject_of
from ctdna.ledger.open import open_ledger
from ctdna.model import ledger as model
from tests.ledger.world import World


def test_a_days_work_is_in_the_ledger_and_verifies(world: World) -> None:
    world.work()
    ledger = open_ledger()
    assert ledger.verify() == ()
    entries = list(ledger.entries())
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    assert ledger.head().sequence == len(entries)
    assert ledger.head().digest == entries[-1].digest
    assert {entry.new.kind for entry in entries} == set(model.RIGHTS) - {
        "user.changed",
        "password.changed",
        "login.failed",
        "login.succeeded",
    }
    assert [entry.subject for entry in entries] == [subject_of(entry.new) for entry in entries]
