"""The part of a report that says who reviewed and approved it, and what it replaces."""

from ctdna.model.approval import SignedBy, SignOff
from ctdna.report.texts import Language, code, words
from ctdna.report.view import Cell, Column, NoticeLine, Paragraph, Section, Table

_COLUMNS = (("signature", 2), ("name", 3), ("signed_role", 2), ("time", 3), ("comment", 4), ("entry", 3))


def _moment(at: str) -> str:
    return at[:19].replace("T", " ")


def state_of(sign_off: SignOff | None, language: Language) -> str:
    """Return the state of the document in one line; it stands on every page."""
    if sign_off is not None and sign_off.is_approved:
        return words(language, "state.approved", version=sign_off.version)
    if sign_off is not None and sign_off.amends is not None:
        return words(language, "state.amended_draft", version=sign_off.version)
    return words(language, "draft")


def version_notices(sign_off: SignOff | None, language: Language) -> tuple[NoticeLine, ...]:
    """Return what an amended report says of the one that it replaces; empty for a first version."""
    amends = sign_off.amends if sign_off else None
    if amends is None:
        return ()
    said = words(
        language, "notice.amended", version=amends.version, time=_moment(amends.approved_at) + " UTC", why=amends.why
    )
    return (NoticeLine(level="alert", text=said),)


def _row(item: SignedBy, language: Language) -> tuple[Cell, ...]:
    return (
        Cell(text=code(language, "signature", item.meaning)),
        Cell(text=item.full_name, sub=item.user),
        Cell(text=code(language, "signed_role", item.role)),
        Cell(text=_moment(item.at)),
        Cell(text=item.comment),
        Cell(text=f"{item.sequence}: {item.entry[:16]}", mono=True),
    )


def approval_section(sign_off: SignOff | None, language: Language) -> Section | None:
    """Return the table of signatures with name, role, time, meaning and comment; None for a draft."""
    if sign_off is None or not sign_off.signatures:
        return None
    table = Table(
        columns=tuple(Column(title=words(language, f"col.{name}"), share=share) for name, share in _COLUMNS),
        rows=tuple(_row(item, language) for item in sign_off.signatures),
        dense=True,
    )
    lines = (
        words(language, "approval.result", digest=sign_off.result),
        words(language, "approval.run", run=sign_off.run),
    )
    lead = words(language, "approval.lead")
    return Section(
        id="approval", title=words(language, "section.approval"), lead=lead, blocks=(table, Paragraph(lines=lines))
    )
