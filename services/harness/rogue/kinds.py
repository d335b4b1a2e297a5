"""All that a rogue puts on the bus, by name, and what refuses it: a numbered check of the envelope (trust.md 3.3), or a rule."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from services.harness.rogue import bus
from services.harness.rogue.bus import BusKind, Ends, Make, about, changed, content, dated, signed_with
from services.harness.rogue.forge import NEXT, OLD, STOLEN, Loot
from shared.contract.codes import ReturnCode
from shared.contract.messages import CancellationRequested, PermitReturned, ReissueRequested


def letter(*reasons: str) -> tuple[Ends, frozenset[str]]:
    return "letter", frozenset(reasons)


def rule(*reasons: str) -> tuple[Ends, frozenset[str]]:
    return "rule", frozenset(reasons)


OTHER_SIDE = "the sender is not the other side of this case"
NOT_A_PARTY = "the sender is not the other side of such a case"
NOT_YET: tuple[Ends, frozenset[str]] = ("not_yet", frozenset({"not_yet"}))
OWN: tuple[Ends, frozenset[str]] = ("own", frozenset())


_NOT_TO_SENDER, _NOT_FROM_US = "the permit's destination is not its sender", "the permit's origin is not this bureau"


def _returned(loot: Loot) -> PermitReturned:
    return PermitReturned(case=loot.case, places=(1,), code=ReturnCode.R06, returned_on=bus.DAY)


def _cancelled(loot: Loot) -> CancellationRequested:
    return CancellationRequested(case=loot.case, places=(1,), requested_on=bus.DAY)


def _reissue(loot: Loot) -> ReissueRequested:
    return ReissueRequested(case=loot.case, issue=1, requested_on=bus.DAY)


_LISTED: Sequence[tuple[str, Make, str, tuple[Ends, frozenset[str]]]] = (
    ("oversized envelope", bus.oversized_envelope, "check 1", letter("too_large")),
    ("zip in the JWE", changed(jwe={"zip": "DEF"}), "check 1", letter("zip")),
    ("zip in the JWS", changed(jws={"zip": "DEF"}), "check 1", letter("zip")),
    ("truncated at every part", bus.truncated, "check 2, 5", letter("not_an_envelope", "signature")),
    ("algorithm none", bus.unsigned, "check 2", letter("header", "not_an_envelope")),
    ("algorithm HS256 with a public key", bus.hs256, "check 2", letter("header")),
    ("algorithm by its old name EdDSA", changed(jws={"alg": "EdDSA"}), "check 2", letter("header")),
    ("another typ", changed(jws={"typ": "JWT"}), "check 2", letter("header")),
    ("a key brought along in the header", changed(jws={"jwk": {"kty": "OKP"}}), "check 2", letter("header")),
    ("a critical header", changed(jws={"crit": ["exp"], "exp": 1}), "check 2", letter("header")),
    ("an extra signed member", changed(h={"admin": "yes"}), "check 2", letter("members")),
    ("a signed member missing", changed(h={"pc": None}), "check 2", letter("members")),
    ("incarnation zero", changed(h={"inc": 0}), "check 2", letter("members")),
    ("a member twice", bus.member_twice, "check 2", letter("not_an_envelope")),
    ("a number with a fraction", bus.number_with_a_fraction, "check 2", letter("not_an_envelope", "members")),
    ("a payload nested without end", bus.nested_payload, "check 2", letter("not_an_envelope")),
    ("bytes that are not UTF-8", bus.not_utf_8, "check 2", letter("not_an_envelope")),
    ("another encryption scheme", changed(h={"enc_scheme": "none"}), "check 2", letter("scheme")),
    ("weaker encryption", bus.weaker_encryption, "check 2", letter("scheme")),
    ("the own key in another's name", bus.own_key_in_anothers_name, "check 2", letter("issuer")),
    ("re-signed: another's payload", bus.re_signed, "check 2", letter("issuer")),
    ("transport headers that differ", bus.other_transport_headers, "check 2", letter("transport_headers")),
    ("same bytes on another's topic", bus.on_anothers_topic, "check 3", letter("wrong_place")),
    ("the recipient is a third bureau", bus.to_a_third_bureau, "check 3", letter("wrong_audience")),
    ("same bytes on another topic", bus.on_another_topic, "check 3", letter("wrong_door")),
    ("another capability signed", changed(h={"type": "node.message"}), "check 3", letter("wrong_door")),
    ("another topic signed", changed(h={"topic": "zhejiang.node"}), "check 3", letter("wrong_place")),
    ("another partition key", bus.under_another_key, "check 3", letter("wrong_place")),
    ("a question as a message", bus.question_on_the_bus, "check 3", letter("wrong_door")),
    ("an answer as a message", bus.answer_on_the_bus, "check 3", letter("wrong_door")),
    ("a journal record as a message", bus.journal_on_the_bus, "check 2", letter("issuer")),
    ("key not yet valid", signed_with(NEXT), "check 4", letter("key_not_yet_valid")),
    ("key expired", signed_with(OLD), "check 4", letter("key_expired")),
    ("key expired, back-dated", signed_with(OLD, iat_days_ago=42), "check 4", letter("key_expired")),
    ("key revoked", signed_with(STOLEN), "check 4", letter("key_revoked")),
    ("key revoked, back-dated", signed_with(STOLEN, iat_days_ago=10), "check 4", letter("key_revoked")),
    ("key of another use", bus.key_of_another_use, "check 4", letter("wrong_key_use")),
    ("unknown key", bus.unknown_key, "check 4", letter("unknown_key")),
    ("outsider: a bureau that no list has", bus.outsider, "check 4", letter("unknown_key")),
    ("outsider: in a member's name", bus.outsider_in_a_members_name, "check 5", letter("signature")),
    ("forged signature", bus.forged_signature, "check 5", letter("signature")),
    ("foreign key", bus.foreign_key, "check 5", letter("signature")),
    ("re-targeted: another recipient", bus.re_targeted, "check 5", letter("signature")),
    ("older incarnation", bus.older_incarnation, "check 6", letter("old_incarnation")),
    ("dated far ahead", dated(-bus.FAR_AHEAD_SECONDS), "check 7", letter("clock_ahead")),
    ("older than 45 days", dated(bus.TOO_OLD_SECONDS), "check 7", letter("too_old")),
    ("re-wrapped: another's ciphertext", bus.re_wrapped, "check 8", letter("rewrapped")),
    ("no hash of the header in the JWE", changed(jwe={"hh": None}), "check 8", letter("rewrapped", "decrypt")),
    ("encrypted to another", bus.encrypted_to_another, "check 8", letter("recipient_key")),
    ("another commitment", changed(h={"pc": "A" * 43}), "check 8", letter("commitment")),
    ("oversized body", bus.oversized_body, "check 8", letter("decrypt")),
    ("wrong schema", bus.unknown_schema, "check 9", NOT_YET),
    ("unknown message name", content("TransferPostponed", 1, {}), "check 9", NOT_YET),
    ("unknown version", content("TransferVoided", 2, {}), "check 9", NOT_YET),
    ("content that is no JSON", changed(content=b"\xff\xfe{}"), "check 9", letter("content")),
    ("content nested without end", changed(content=b"[" * bus.DEEP + b"]" * bus.DEEP), "check 9", letter("content")),
    ("content that does not fit", content("TransferVoided", 1, {"places": []}), "check 9", letter("content")),
    ("a message of another capability", bus.directory_in_a_transfer, "check 9", letter("content")),
    ("content about another case than its key", bus.key_of_another_case, "check 9", letter("content")),
    ("replayed: same bytes", bus.replayed, "receipt", ("duplicate", frozenset({"duplicate"}))),
    ("same id, other content", bus.one_id_twice, "receipt", letter("conflict")),
    ("another's certificate", about(lambda loot: loot.certificate), "rule 0", OWN),
    ("another's settlement", about(bus.settlement), "rule 0", rule(NOT_A_PARTY)),
    ("another's close", about(bus.close), "rule 0", rule(NOT_A_PARTY)),
    ("another's void", about(bus.void), "rule 0", OWN),
    ("another's return", about(_returned), "rule 0", OWN),
    ("another's cancellation", about(_cancelled), "rule 0", OWN),
    ("another's reissue", about(_reissue), "rule 0", rule(NOT_A_PARTY)),
    ("the id of another's case for an own permit", bus.permit_under_anothers_case, "rule 0", OWN),
    ("a permit for another destination", bus.permit_of_another_destination, "foreign permit", rule(_NOT_TO_SENDER)),
    ("a permit for people of another bureau", bus.permit_of_another_origin, "foreign permit", rule(_NOT_FROM_US)),
    ("messages of the wrong side", bus.wrong_side, "rule 0", rule(OTHER_SIDE, NOT_A_PARTY)),
    ("directory of another's stations", bus.anothers_directory, "directory", letter("content")),
    ("a thousand tombstones", bus.tombstones, "limit a day", rule("too many unknown cases in a day")),
)

BUS_KINDS: Final[Mapping[str, BusKind]] = MappingProxyType(
    {name: BusKind(name, make, check, *end) for name, make, check, end in _LISTED}
)
