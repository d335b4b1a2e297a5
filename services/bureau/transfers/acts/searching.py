"""One box for everything that stands on paper: case, permit and certificate numbers, an id number, a case's id."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, Uuid, bindparam, literal_column, select

from services.bureau.access.callers import Officer
from services.bureau.access.rules import HOUSEHOLD_TRANSFER, area, reach
from services.bureau.population.tables import CITIZEN_INDEX_LABEL
from services.bureau.transfers.acts.queues import IN_AREA
from services.bureau.transfers.tables import OPEN_STATES, transfer_case, transfer_member
from shared.audit import AuditEntry, write_audit
from shared.database import BlindIndex, Session
from shared.identifiers.citizen_id import parse_citizen_id_no
from shared.identifiers.errors import IdentifierError

HITS = 25
QUERY_CHARACTERS = 64

Kind = Literal["nothing", "case", "person", "number"]


def _cases(condition: ColumnElement[bool]) -> Select[Any]:
    found = select(transfer_case.c.case_id).where(condition, transfer_case.c.file.is_not(None), IN_AREA)
    return found.order_by(transfer_case.c.created_at.desc()).limit(HITS)


BY_ID = _cases(transfer_case.c.case_id == bindparam("a_case", type_=Uuid))
BY_NUMBER = _cases(
    (transfer_case.c.apply_no == bindparam("number"))
    | (transfer_case.c.permit_no == bindparam("number"))
    | (transfer_case.c.migration_no == bindparam("number"))
)
_open = sorted({state for states in OPEN_STATES.values() for state in states})
BY_PERSON = _cases(
    select(transfer_member.c.place)
    .where(
        transfer_member.c.counterpart == transfer_case.c.counterpart,
        transfer_member.c.case_id == transfer_case.c.case_id,
        transfer_member.c.citizen_index == bindparam("citizen", type_=BlindIndex(CITIZEN_INDEX_LABEL)),
        transfer_member.c.state.in_([literal_column(f"'{state}'", Text) for state in _open]),
    )
    .exists()
)


@dataclass(frozen=True, slots=True)
class Found:
    """What was understood, and the cases of the officer's area that it names."""

    kind: Kind
    cases: Sequence[UUID]


def kind_of(text: str) -> Kind:
    """What somebody typed or scanned."""
    if not text or len(text) > QUERY_CHARACTERS or not text.isprintable():
        return "nothing"
    try:
        UUID(text)
    except ValueError:
        pass
    else:
        return "case"
    try:
        parse_citizen_id_no(text)
    except IdentifierError:
        return "number"
    return "person"


async def search(session: Session, officer: Officer, text: str) -> Found:
    """Cases of the officer's area. A person is found only in an open case there, and for its purpose; each search is audited."""
    grant = reach(officer, "transfers.read", session.node.business_today())
    text = text.strip()
    kind = kind_of(text)
    values: dict[str, Any] = {"area": area(officer, grant.scope)}
    if kind == "nothing" or (kind == "person" and grant.purpose != HOUSEHOLD_TRANSFER):
        return Found("nothing", [])
    if kind == "case":
        statement, values = BY_ID, values | {"a_case": UUID(text)}
    elif kind == "person":
        statement, values = BY_PERSON, values | {"citizen": text.upper()}
    else:
        statement, values = BY_NUMBER, values | {"number": text.upper()}
    cases = (await session.execute(statement, values)).scalars().all()
    entry = AuditEntry(action="transfers.read", object_kind="search", object_id=kind, purpose=grant.purpose)
    await write_audit(session, entry)
    return Found(kind, list(dict.fromkeys(cases)))
