"""The person who acts, and the ledger that keeps what they do."""

from typing import TYPE_CHECKING, NamedTuple

from ctdna.model.errors import AuthorityError
from ctdna.model.ledger import RIGHTS, Entry, Payload

if TYPE_CHECKING:  # a run without a ledger starts without the libraries of databases
    from ctdna.ledger.ledger import Ledger
    from ctdna.ledger.records import Actor


class Authority(NamedTuple):
    """A person who has shown who they are, before a ledger."""

    ledger: "Ledger"
    actor: "Actor"

    def require(self, kind: str) -> None:
        """Refuse before any work what the ledger would refuse after it.

        Raises:
            AuthorityError: none of the person's roles may make entries of that kind.
        """
        if not set(self.actor.roles) & set(RIGHTS[kind]):
            held = ", ".join(self.actor.roles) or "no role"
            what = f"has {held}; entry {kind} needs {' or '.join(RIGHTS[kind])}"
            raise AuthorityError(None, self.actor.user, what, "ask somebody with that role")

    def record(self, payload: Payload, why: str = "") -> Entry:
        """Write an entry by this person, and return it; raises as the ledger does."""
        return self.ledger.record(self.actor, payload, why=why)
