"""What a rogue puts on the bus: how each kind is made; `kinds.py` names them, and what refuses each.

Most envelopes carry "this transfer is void", said of a transfer of two others: whoever believed one would do visible harm.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from cryptography.hazmat.primitives import hashes, hmac
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode
from uuid_utils.compat import uuid7

from services.harness.rogue.forge import DAY_SECONDS, Forgery, Loot, Rogue, encode_unchecked, sign, taken_apart
from shared.contract.codes import ReturnCode, VoidReason
from shared.contract.messages import DirectoryPublished, Message, PermitReturned, TransferClosed, TransferSettled, TransferVoided
from shared.contract.questions import TransferState
from shared.contract.records import PlaceEpoch
from shared.envelope import BODY_LIMIT_BYTES, ENVELOPE_LIMIT_BYTES, Place
from shared.envelope.form import canonical
from shared.messaging.bus import Record

Ends = Literal["letter", "rule", "not_yet", "duplicate", "own"]
"""What becomes of it: a dead letter; refused by the slice's rule; a receipt that waits; dropped as known; or it is the rogue's
own right (a case of its own), of which nobody else may feel anything."""
Make = Callable[[Rogue, Loot], Sequence[Record]]

DAY: Final = date(2021, 3, 1)
AT: Final = datetime(2021, 3, 1, 2, tzinfo=UTC)
UNLISTED_BUREAU: Final = "fujian"
STRANGER: Final = "jiangsu"  # neither the victim nor its counterpart
DEEP: Final = 100_000  # brackets: deeper than any reader goes
TOMBSTONES: Final = 1_000
CUTS: Final = 40
OVERSIZED_BODY_BYTES: Final = BODY_LIMIT_BYTES + 60 * 1024  # sealed still below the limit of an envelope
FAR_AHEAD_SECONDS, TOO_OLD_SECONDS = 40 * DAY_SECONDS, 46 * DAY_SECONDS


@dataclass(frozen=True)
class BusKind:
    """`check`: of the envelope, "rule 0", "receipt" or the like; `reasons`: of the audit row or the receipt, any of them."""

    name: str
    make: Make
    check: str
    ends: Ends
    reasons: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.name


def void(loot: Loot, case: UUID | None = None) -> TransferVoided:
    return TransferVoided(case=case or loot.case, places=(1,), reason_code=VoidReason.WITHDRAWN, voided_on=DAY)


def message(loot: Loot, content: Message | bytes | None = None, *, key: str | None = None, **more: Any) -> Forgery:
    """Right in every part: the rogue's own message to the victim."""
    said = void(loot) if content is None else content
    named = said.key if isinstance(said, Message) else str(loot.case)
    capability = more.pop("capability", "transfers")
    place = Place("message", capability, topic=f"{loot.victim}.{capability}", key=named if key is None else key)
    return Forgery(content=said, place=place, to=loot.victim, **more)


def changed(**more: Any) -> Make:
    """One message in which only this is wrong, without the transport's headers, which are not needed and may contradict it."""
    return lambda rogue, loot: [_bare(loot, message(loot, **more).envelope(rogue))]


def _bare(loot: Loot, envelope: bytes) -> Record:
    return Record(f"{loot.victim}.transfers", str(loot.case), {}, envelope)


def signed_with(name: str, *, iat_days_ago: int = 0) -> Make:
    """By an own key that does not count any more, or not yet; `iat_days_ago`: back-dated into its life."""

    def make(rogue: Rogue, loot: Loot) -> Sequence[Record]:
        made = message(loot, kid=f"{rogue.bureau}#{name}", secret=rogue.secret(name))
        return [made.but(iat=_ago(iat_days_ago * DAY_SECONDS)).record(rogue)]

    return make


def dated(seconds_ago: int) -> Make:
    return lambda rogue, loot: [message(loot, iat=_ago(seconds_ago)).record(rogue)]


def about(say: Callable[[Loot], Message]) -> Make:
    """A well-formed message about the case of two others, genuinely signed by the rogue."""
    return lambda rogue, loot: [message(loot, say(loot)).record(rogue)]


def _ago(seconds: int) -> int:
    return int(datetime.now(UTC).timestamp()) - seconds


# ---- who says it ------------------------------------------------------------------------------------------------------


def forged_signature(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    return [_with_value(loot.overheard, loot.overheard.value[:-8] + b"AAAAAAAA")]


def foreign_key(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """In another's name, with that bureau's key named and the own one used."""
    return [message(loot, iss=loot.counterpart, kid=rogue.kid(loot.counterpart)).record(rogue)]


def own_key_in_anothers_name(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    return [message(loot, iss=loot.counterpart).record(rogue)]


def key_of_another_use(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    return [message(loot, kid=rogue.kid(rogue.bureau, "enc")).record(rogue)]


def unknown_key(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    return [message(loot, kid=f"{rogue.bureau}#sig-unheard").record(rogue)]


def outsider(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """Nobody's member: a key, a name and a bureau that no list has."""
    return [message(loot, iss=UNLISTED_BUREAU, kid=f"{UNLISTED_BUREAU}#sig-2026q4", secret=bytes(range(32))).record(rogue)]


def outsider_in_a_members_name(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    forged = message(loot, iss=loot.counterpart, kid=rogue.kid(loot.counterpart), secret=bytes(range(32)))
    return [forged.record(rogue)]


def older_incarnation(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    rogue.incarnation += 1
    newer = message(loot, close(loot)).record(rogue)
    return [newer, message(loot, h={"inc": rogue.incarnation - 1}).record(rogue)]


# ---- said before, or elsewhere ----------------------------------------------------------------------------------------


def replayed(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    return [loot.overheard]


def one_id_twice(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    first = message(loot, close(loot))
    return [first.record(rogue), message(loot, settlement(loot), jti=first.jti).record(rogue)]


def re_targeted(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """What was said to a third bureau, with another recipient written over it: the signature stays as it was."""
    h, payload = taken_apart(loot.elsewhere.value)
    head, _, signature = loot.elsewhere.value.split(b".")
    changed = payload.replace(h["aud"].encode(), rogue.kid(loot.victim, "enc").encode())
    changed = changed.replace(h["topic"].encode(), h["topic"].replace(STRANGER, loot.victim).encode())
    value = b".".join((head, urlsafe_b64encode(changed), signature))
    return [Record(h["topic"].replace(STRANGER, loot.victim), h["key"], {}, value)]


def on_anothers_topic(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    topic = loot.elsewhere.topic.replace(STRANGER, loot.victim)
    return [Record(topic, loot.elsewhere.key, loot.elsewhere.headers, loot.elsewhere.value)]


def to_a_third_bureau(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    return [_bare(loot, message(loot, h={"aud": rogue.kid(STRANGER, "enc")}).envelope(rogue))]


def on_another_topic(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    heard = loot.overheard
    return [Record(f"{loot.victim}.node", heard.key, heard.headers, heard.value)]


def under_another_key(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """The partition key of the record is not the signed one."""
    made = message(loot).record(rogue)
    return [Record(made.topic, str(uuid4()), {}, made.value)]


def re_wrapped(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """Another's ciphertext under the own name: signed by us, with its header, its commitment and its secret text."""
    h, payload = taken_apart(loot.overheard.value)
    own = canonical({**h, "iss": rogue.bureau, "inc": rogue.incarnation})
    sealed = payload[payload.index(b',"jwe":') :]
    return [_with_value(loot.overheard, message(loot).signed(rogue, b'{"h":' + own + sealed), headers=False)]


def re_signed(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """Another's payload, byte for byte, under the own signature."""
    _, payload = taken_apart(loot.overheard.value)
    return [_with_value(loot.overheard, message(loot).signed(rogue, payload))]


def other_transport_headers(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """Each header that the transport shows, one after the other, says something else than the signature."""
    lies = {"ce_source": loot.counterpart, "ce_id": str(uuid4()), "ce_type": "node.message", "ce_subject": "x", "ce_time": "x"}
    lies |= {"ce_partitionkey": "x", "ce_dataschema": "node/1", "content-type": "text/plain", "ce_specversion": "0.3"}
    return [message(loot).record(rogue, **{name: value}) for name, value in lies.items()]


# ---- form -------------------------------------------------------------------------------------------------------------


def truncated(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """Cut in each of its parts, at the dots, and after nothing at all."""
    whole = loot.overheard.value
    dots = [at for at, byte in enumerate(whole) if byte == ord(".")]
    ends = {0, 1, *dots, *(dot + 1 for dot in dots), *range(1, len(whole), len(whole) // CUTS), len(whole) - 1}
    return [_with_value(loot.overheard, whole[:end]) for end in sorted(ends)]


def oversized_envelope(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    return [_with_value(loot.overheard, loot.overheard.value + b"A" * ENVELOPE_LIMIT_BYTES)]


def oversized_body(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    return [message(loot, encode_unchecked(void(loot)).ljust(OVERSIZED_BODY_BYTES)).record(rogue)]


def hs256(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """The public key of the counterpart, which everybody has, as the secret of an HMAC."""
    _, payload = taken_apart(message(loot, iss=loot.counterpart).envelope(rogue))
    header = canonical({"alg": "HS256", "kid": rogue.kid(loot.counterpart), "typ": "quanyu-env+jws"})
    signed = urlsafe_b64encode(header) + b"." + urlsafe_b64encode(payload)
    public = str(rogue.public(rogue.kid(loot.counterpart)).as_dict()["x"])
    mac = hmac.HMAC(urlsafe_b64decode(public.encode()), hashes.SHA256())
    mac.update(signed)
    return [message(loot).record_of(signed + b"." + urlsafe_b64encode(mac.finalize()), rogue)]


def unsigned(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    made = message(loot, jws={"alg": "none"}).envelope(rogue)
    return [message(loot).record_of(made[: made.rindex(b".") + 1], rogue)]


def member_twice(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """Two readers would see two senders."""
    _, payload = taken_apart(message(loot).envelope(rogue))
    return [_signed(rogue, loot, payload.replace(b'"iss":', f'"iss":"{loot.counterpart}","iss":'.encode()))]


def number_with_a_fraction(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    _, payload = taken_apart(message(loot).envelope(rogue))
    inc = f'"inc":{rogue.incarnation}'.encode()
    return [_signed(rogue, loot, payload.replace(inc, inc + b".0"))]


def nested_payload(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    return [_signed(rogue, loot, b'{"h":' + b"[" * DEEP + b"]" * DEEP + b',"jwe":""}')]


def not_utf_8(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    _, payload = taken_apart(message(loot).envelope(rogue))
    header = canonical({"alg": "Ed25519", "kid": rogue.kid(rogue.bureau), "typ": "quanyu-env+jws"})
    broken_header = sign(rogue.secret(), header.replace(b"quanyu", b"\xff\xfe"), payload)
    return [
        _signed(rogue, loot, payload.replace(b'"transfers', b'"\xfftransfers')),
        message(loot).record_of(broken_header, rogue),
    ]


def encrypted_to_another(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """Named for the victim, and only a third bureau could read it."""
    return [message(loot, jwe={"kid": rogue.kid(STRANGER, "enc")}).record(rogue)]


def weaker_encryption(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    weaker = ({"alg": "ECDH-ES"}, {"alg": "dir"}, {"enc": "A128CBC-HS256"}, {"epk": {"kty": "OKP", "crv": "X448", "x": "A"}})
    return [message(loot, jwe=change).record(rogue) for change in weaker]


def _signed(rogue: Rogue, loot: Loot, payload: bytes) -> Record:
    return message(loot).record_of(message(loot).signed(rogue, payload), rogue)


def _with_value(record: Record, value: bytes, *, headers: bool = True) -> Record:
    return Record(record.topic, record.key, record.headers if headers else {}, value)


# ---- content ----------------------------------------------------------------------------------------------------------


def content(name: str, version: int, body: Mapping[str, Any]) -> Make:
    return changed(content=canonical({"name": name, "version": version, "body": body}))


def unknown_schema(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    return [message(loot, h={"schema": "transfers/9"}).record(rogue)]


def directory_in_a_transfer(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """What belongs to another topic, with its own key: an ACL by topic would have stopped it there."""
    listed = DirectoryPublished(bureau=rogue.bureau, version=2**40, published_at=AT, stations=())
    return [message(loot, listed).record(rogue)]


def key_of_another_case(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """Signed as a whole; what is said inside is about another case than the key that the bus sorts by."""
    return [message(loot, key=str(uuid4())).record(rogue)]


def answer_on_the_bus(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    place = Place("answer", "transfers", path=TransferState.path, key=str(loot.case))
    made = message(loot, h={"re": str(uuid7())}).but(place=place).envelope(rogue)
    return [_bare(loot, made)]


def question_on_the_bus(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    place = Place("question", "transfers", path=TransferState.path, key=str(loot.case))
    return [_bare(loot, message(loot).but(place=place).envelope(rogue))]


def journal_on_the_bus(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """A journal is believed without its age being asked: it must be nobody else's."""
    return [message(loot, iss=loot.victim, h={"type": "transfers.journal"}).record(rogue)]


# ---- what a member may not say ----------------------------------------------------------------------------------------


def settlement(loot: Loot) -> TransferSettled:
    return TransferSettled(case=loot.case, settled=(PlaceEpoch(place=1, epoch=2),), signed_at=AT, issue=1)


def close(loot: Loot) -> TransferClosed:
    return TransferClosed(case=loot.case, closed=(PlaceEpoch(place=1, epoch=2),), closed_at=AT)


def permit_under_anothers_case(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """Its own right, were it not the id of a case of others."""
    return [message(loot, loot.own_permit.model_copy(update={"case": loot.case})).record(rogue)]


def permit_of_another_destination(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    return [message(loot, loot.permit.model_copy(update={"case": uuid7()})).record(rogue)]


def permit_of_another_origin(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    moved = loot.own_permit.permit.model_copy(update={"origin_division_code": "320583", "origin_station_code": "320583910000"})
    return [message(loot, loot.own_permit.model_copy(update={"case": uuid7(), "permit": moved})).record(rogue)]


def wrong_side(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """In a case of its own, in which it is the destination: what only an origin may say."""
    case = uuid7()
    opened = loot.own_permit.model_copy(update={"case": case})
    returned = PermitReturned(case=case, places=(1,), code=ReturnCode.R06, returned_on=DAY)
    closed = TransferClosed(case=case, closed=(PlaceEpoch(place=1, epoch=2),), closed_at=AT)
    return [message(loot, said).record(rogue) for said in (opened, returned, closed)]


def anothers_directory(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    listed = DirectoryPublished(bureau=loot.counterpart, version=2**40, published_at=AT, stations=())
    return [message(loot, listed, capability="node").record(rogue)]


def tombstones(rogue: Rogue, loot: Loot) -> Sequence[Record]:
    """A thousand cases that nobody has heard of: each would be a row that is kept for ever."""
    return [message(loot, void(loot, uuid7())).record(rogue) for _ in range(TOMBSTONES)]
