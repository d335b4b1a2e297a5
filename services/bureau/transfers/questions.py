"""What peers ask us about persons and cases, and what we ask them. A question changes nothing but receipt and audit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from uuid_utils.compat import uuid7

from services.bureau.access.callers import Officer, Peer
from services.bureau.access.rules import HOUSEHOLD_TRANSFER, Facts, decide
from services.bureau.population import acts as population
from services.bureau.population.rules import ResidentRow, booklet_order
from services.bureau.population.tables import CITIZEN_INDEX_LABEL, HouseholdType, RowKind
from services.bureau.stations import acts as stations
from services.bureau.stations.acts import UnknownUnit
from services.bureau.transfers.acts.cases import load_case
from services.bureau.transfers.rules.case import Case
from services.bureau.transfers.rules.speech import speak
from services.bureau.transfers.states import TRANSFER, Side, State
from services.bureau.transfers.tables import Mover, transfer_member
from shared.audit import AuditEntry, write_audit
from shared.contract.codes import Standing
from shared.contract.fields import MEMBERS_MAX
from shared.contract.questions import (
    NODE_ROLE,
    Asker,
    HouseholdMember,
    PersonStatus,
    PersonStatusAnswer,
    PlaceState,
    Proof,
    Question,
    ResidentExcerpt,
    ResidentForTransfer,
    ResidentForTransferAnswer,
    TransferState,
    TransferStateAnswer,
)
from shared.contract.registry import topic
from shared.database import CHINA, BlindIndex, Database, Session
from shared.messaging import Receiver, seal_message
from shared.peers import Answerer, Inquiry, PeerClient, PeerDown, PeerError, PeerRefused

ARRIVING = select(transfer_member).where(
    transfer_member.c.citizen_index == bindparam("citizen", type_=BlindIndex(CITIZEN_INDEX_LABEL)),
    transfer_member.c.side == Side.DESTINATION.value,
    transfer_member.c.state == State.SETTLING.value,
)
GONE_BY_CASE = select(transfer_member).where(
    transfer_member.c.citizen_index == bindparam("citizen", type_=BlindIndex(CITIZEN_INDEX_LABEL)),
    transfer_member.c.counterpart == bindparam("a_counterpart"),
    transfer_member.c.case_id == bindparam("a_case"),
)
STANDINGS = {RowKind.ACTIVE: Standing.HERE, RowKind.IN_TRANSIT: Standing.IN_TRANSIT, RowKind.MOVED: Standing.MOVED}


# ---- answers ------------------------------------------------------------------------------------------------------------


async def person_status(session: Session, question: PersonStatus, inquiry: Inquiry) -> PersonStatusAnswer:
    """Who answers for this person: us, or whom we point to (protocol.md 3). Bound persons are looked at first."""
    _allow(session, inquiry, "transfers.question.person_status")
    bound = (await session.execute(ARRIVING, {"citizen": question.citizen_id_no})).first()
    row = await _read(session, question.citizen_id_no, inquiry, ("kind", "epoch"))
    if bound is not None:
        return PersonStatusAnswer(
            kind=Standing.ARRIVING,
            epoch=bound.epoch,
            case=bound.case_id,
            counterpart=bound.counterpart,
            since=bound.state_since_business.astimezone(CHINA).date(),
        )
    if row is None or row.kind is RowKind.CANCELLED:
        return PersonStatusAnswer(kind=Standing.ABSENT)
    return await _standing(session, row)


async def _standing(session: Session, row: ResidentRow) -> PersonStatusAnswer:
    proof, since = None, None
    if row.case_id is not None:
        key = {"citizen": row.citizen_id_index, "a_counterpart": row.counterpart, "a_case": row.case_id}
        member = (await session.execute(GONE_BY_CASE, key)).first()
        if member is not None:
            since = member.state_since_business.astimezone(CHINA).date()
            proof = None if member.settlement is None else Proof.model_validate(member.settlement)
    return PersonStatusAnswer(
        kind=STANDINGS[row.kind], epoch=row.epoch, case=row.case_id, counterpart=row.counterpart, since=since, proof=proof
    )


async def resident_for_transfer(session: Session, question: ResidentForTransfer, inquiry: Inquiry) -> ResidentForTransferAnswer:
    """What an application elsewhere needs of our register: the person, the household, the holds; nothing more."""
    _allow(session, inquiry, "transfers.question.resident_for_transfer")
    fields = tuple(ResidentExcerpt.model_fields)
    row = await _read(session, question.citizen_id_no, inquiry, fields)
    if row is None or not row.is_present:
        return ResidentForTransferAnswer(found=False)
    if row.personal.name != question.name:  # who has only a number is told neither whose it is nor where that person lives
        return ResidentForTransferAnswer(found=True, name_differs=True)
    household = await population.get_household(session, row.household_id)
    try:
        station_name = (await stations.find_unit(session, session.node.bureau, row.station_code)).name
    except UnknownUnit:  # a station older than the list: the code still tells
        station_name = row.station_code
    members = [row]
    if household.household_type is HouseholdType.FAMILY:
        members = booklet_order(await population.members_of_household(session, household.id))[:MEMBERS_MAX]
    excerpt = ResidentExcerpt(
        name=row.personal.name,
        sex=row.personal.sex,
        born_on=row.personal.born_on,
        division_code=household.division_code,
        address=household.address,
        station_code=row.station_code,
        station_name=station_name,
        household_no=household.household_no,
        relation_code=row.relation_code,
        holds=tuple(hold.kind.value for hold in await population.holds_of(session, row.id)),
        household=tuple(_household_member(place, one) for place, one in enumerate(members, start=1)),
    )
    return ResidentForTransferAnswer(found=True, resident=excerpt)


def _household_member(place: int, row: ResidentRow) -> HouseholdMember:
    return HouseholdMember(
        place_in_household=place,
        relation_code=row.relation_code,
        citizen_id_no=row.personal.citizen_id_no,
        name=row.personal.name,
        sex=row.personal.sex,
        born_on=row.personal.born_on,
    )


async def transfer_state(session: Session, question: TransferState, inquiry: Inquiry) -> TransferStateAnswer:
    """How the case stands here, with the messages that our states say, sealed to the asker: what the bus will bring, now."""
    _allow(session, inquiry, "transfers.question.transfer_state")
    case = await load_case(session, inquiry.peer, question.case, lock=False)  # rule 0: only its own
    await write_audit(
        session,
        AuditEntry(
            action="transfers.question.transfer_state",
            object_kind="case",
            object_id=str(question.case),
            reason="" if case else "no such case with this peer",
            purpose=inquiry.asker.purpose,
            case=question.case,
            peer=inquiry.peer,
        ),
    )
    if case is None:
        return TransferStateAnswer()
    today = session.node.business_today()
    return TransferStateAnswer(
        side=case.side.value,
        states=tuple(PlaceState(place=m.place, state=m.state.value, epoch=m.epoch or None) for m in case.in_order()),
        sealed=tuple(_said(session, case, today)),
    )


def _said(session: Session, case: Case, today: date) -> list[str]:
    """A decision that the asker may not have heard: closed, void or returned."""
    envelopes = []
    for state in (State.GONE, State.VOID, State.RETURNED):
        members, word = case.in_state(state), TRANSFER.says(case.side, state)
        if members and word is not None:
            for message in speak(case, word, members, today=today):
                envelopes.append(seal_message(session, message, to=case.counterpart, event_id=uuid7()).decode())
    return envelopes


ANSWERS: Mapping[type[Question], Answerer] = {
    PersonStatus: person_status,
    ResidentForTransfer: resident_for_transfer,
    TransferState: transfer_state,
}


def _allow(session: Session, inquiry: Inquiry, action: str) -> None:
    peer = Peer.asking(inquiry.peer, inquiry.asker)
    decide(peer, action, Facts(bureau=session.node.bureau), session.node.business_today())


async def _read(session: Session, number: str, inquiry: Inquiry, fields: tuple[str, ...]) -> ResidentRow | None:
    case = inquiry.asker.case
    as_uuid = UUID(case) if case is not None and _is_uuid(case) else None
    return await population.read_resident(session, number, purpose=inquiry.asker.purpose, case=as_uuid, fields=fields)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


# ---- what we ask --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Enquiries:
    """Asking counterparts about cases; what they say goes through the ordinary receive."""

    database: Database
    peers: PeerClient
    receiver: Receiver
    pseudonym: Callable[[str], str]  # badge number -> what peers see, which only we can resolve

    async def look_up(self, officer: Officer, case: Case) -> list[dict[str, Any]]:
        """What the origin's register says of everybody in a case: standing and excerpt, or why there is no answer."""
        application = case.file.application
        if application is None:
            return []
        asker = Asker(
            officer=self.pseudonym(officer.badge_no), role=officer.role, purpose=HOUSEHOLD_TRANSFER, case=str(case.case_id)
        )
        people, silence = [], None
        for mover in application.movers:
            if silence is None:
                try:
                    people.append({"place": mover.place, **await self._ask_about(case.counterpart, mover, asker)})
                    continue
                except PeerDown as down:  # a peer that is down would let the officer wait once more for each member
                    silence = {"no_answer": str(down)}
            people.append({"place": mover.place, **silence})
        return people

    async def _ask_about(self, bureau: str, mover: Mover, asker: Asker) -> dict[str, Any]:
        """Raises PeerDown."""
        status = PersonStatus(citizen_id_no=mover.citizen_id_no)
        excerpt = ResidentForTransfer(citizen_id_no=mover.citizen_id_no, name=mover.name)
        try:
            standing = await self.peers.ask(bureau, status, asker=asker, answer=PersonStatusAnswer)
            found = await self.peers.ask(bureau, excerpt, asker=asker, answer=ResidentForTransferAnswer)
        except PeerRefused as refused:
            return {"no_answer": str(refused)}
        return {
            "standing": standing.model_dump(mode="json", exclude={"proof"}),
            "name_differs": found.name_differs,
            "resident": None if found.resident is None else found.resident.model_dump(mode="json"),
        }

    async def state_of(self, counterpart: str, case: UUID) -> TransferStateAnswer:
        """How the case stands at the counterpart, by a sealed question of the node itself. Raises PeerError."""
        asker = Asker(role=NODE_ROLE, purpose=HOUSEHOLD_TRANSFER, case=str(case))
        answer = await self.peers.ask(
            counterpart, TransferState(case=case), asker=asker, answer=TransferStateAnswer, key=str(case)
        )
        for envelope in answer.sealed:
            await self.receiver.receive_envelope(envelope.encode(), topic=topic(self.database.node.bureau, "transfers"))
        return answer

    async def before_person_status(self, question: PersonStatus) -> None:
        """A person who is bound here: the origin is asked first, and its close settles the case on the spot."""

        async def bound(session: Session) -> Any:
            return (await session.execute(ARRIVING, {"citizen": question.citizen_id_no})).first()

        member = await self.database.run(bound, name="transfers.bound")
        if member is not None:
            await self.try_state_of(member.counterpart, member.case_id)

    async def try_state_of(self, counterpart: str, case: UUID) -> TransferStateAnswer | None:
        """As `state_of`; None when the counterpart does not answer: then what we know stands."""
        try:
            return await self.state_of(counterpart, case)
        except PeerError:
            return None
