"""Parsers of what other bureaus send: envelopes at every door, proofs, trust lists, records of the bus."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from joserfc.jwk import OKPKey

from shared.contract.registry import ContractError
from shared.envelope import NotYet, Opened, Place, Refused, Ring, TrustListRefused, open_envelope
from shared.envelope.form import read_base64_object, read_object, signed_by
from shared.envelope.keys import parse_kid
from shared.envelope.proof import Proof, verify_proof
from shared.envelope.trust_list import Anchors, TrustList, accept, verify
from shared.messaging.bus import Record
from shared.messaging.receive import Receiver, read_content
from tests.fuzz.loop import Parser
from tests.fuzz.mutate import Mutation, base64url, by_member, by_segment, members
from tests.vectors.envelopes import forge

VECTORS = Path(forge.__file__).parent
TOPIC = "zhejiang.transfers"
OPENING = (Refused, NotYet)
CASE = re.compile(rb"(?<=\"case\": \")[0-9a-f-]{36}")  # of a golden content
SEPARATOR = "|"  # between the parts of a proof


def vectors(folder: str = "*") -> list[dict[str, Any]]:
    return [json.loads(file.read_bytes()) for file in sorted(VECTORS.glob(f"{folder}/*.json"))]


def golden() -> list[bytes]:
    """The golden contents of all messages, questions and answers."""
    return [file.read_bytes() for file in sorted((VECTORS.parent / "messages").glob("*.json"))]


WORLD = json.loads((VECTORS / "world.json").read_bytes())
ANCHORS = Anchors.parse(forge.anchors_file())
TRUST = verify(forge.list_file(forge.list_content()), anchors=ANCHORS)
RING = Ring("zhejiang", (), {kid: OKPKey.import_key(jwk) for kid, jwk in WORLD["decryption_keys"].items()})
PLACES = {
    "message": Place("message", "transfers", topic=TOPIC, key=forge.CASE),
    "question": Place("question", "transfers", path=forge.QUESTION_PATH),
    "answer": Place("answer", "transfers", path=forge.QUESTION_PATH, key=forge.CASE),
    "journal": Place("journal", "transfers", topic="journal.zhejiang"),
}


def opened(raw: bytes, kind: str = "message") -> Opened:
    given = {"expect_re": UUID(forge.QUESTION_JTI), "expect_iss": "shanghai"} if kind == "answer" else {}
    return open_envelope(raw, place=PLACES[kind], ring=RING, trust=TRUST, seen={"shanghai": 1}, now=forge.NOW, **given)


def resigned(random: Random, samples: Sequence[bytes]) -> bytes:
    """What a member of the federation could send: header and JWE header changed as it likes, with its own good signature."""
    envelope = random.choice(samples)
    h, jwe = forge.taken_apart(envelope)
    if random.random() < 0.3:
        head, _, rest = jwe.partition(".")
        jwe = f"{base64url(by_member(random, [forge.base64.urlsafe_b64decode(head + '==')])).decode()}.{rest}"
        payload: Any = {"h": h, "jwe": jwe}
    else:
        payload = members(random, {"h": h, "jwe": jwe}, [{"h": h}])
    protected = {"alg": "Ed25519", "kid": forge.SENDER, "typ": "quanyu-env+jws"}
    if random.random() < 0.2:
        protected = members(random, protected, [h])
    head, body = base64url(json.dumps(protected).encode()).decode(), base64url(json.dumps(payload).encode()).decode()
    signed = forge.Ed25519PrivateKey.from_private_bytes(forge.seed(forge.SENDER)).sign(f"{head}.{body}".encode())
    return f"{head}.{body}.{forge.b64(signed)}".encode()


def sealed(random: Random, samples: Sequence[bytes]) -> bytes:
    """A right envelope of a member, with a content as it likes."""
    return forge.envelope(body=by_member(random, samples), h={"schema": f"transfers/{random.choice((1, 1, 1, 2, 999999))}"})


def rooted(random: Random, samples: Sequence[bytes]) -> bytes:
    """A trust list that all roots have signed, whatever it says."""
    payload = json.dumps(members(random, json.loads(random.choice(samples)), [forge.list_content()])).encode()
    signatures = [forge.list_signature(f"{code}#root-2026", payload) for code in forge.BUREAUS]
    return json.dumps({"payload": forge.b64(payload), "signatures": signatures}).encode()


def proven(text: str) -> object:
    envelope, salt, content, *_ = f"{text}{SEPARATOR * 2}".split(SEPARATOR)
    return verify_proof(Proof(envelope, salt, content), TRUST)


def proofs() -> list[str]:
    raw = forge.envelope()
    proof = Proof.of(raw, opened(raw))
    return [SEPARATOR.join((proof.envelope, proof.salt, proof.content))]


def taken_from_the_bus() -> Callable[[bytes], object]:
    """As the consumer and a replay of a dead letter do: key and headers are the transport's word."""
    node: Any = SimpleNamespace(ring=RING, trust=SimpleNamespace(current=TRUST))
    receiver = Receiver(SimpleNamespace(node=node), {})  # type: ignore[arg-type]  # all that opening needs of a database
    now = datetime.fromtimestamp(forge.NOW, UTC)

    def take(line: bytes) -> object:
        key, _, rest = line.partition(b"\n")
        headers, _, value = rest.partition(b"\n")
        said = dict(one.partition("=")[::2] for one in headers.decode("utf-8", "backslashreplace").split(";"))
        return receiver.try_open(Record(TOPIC, key.decode("utf-8", "backslashreplace"), said, value), now, None)

    return take


def records() -> list[bytes]:
    found = [one for one in vectors() if one["place"]["kind"] == "message"]
    said = (one.get("headers", {"ce_id": forge.JTI, "ce_source": "shanghai"}) for one in found)
    heads = [";".join(f"{name}={text}" for name, text in one.items()) for one in said]
    return [f"{forge.CASE}\n{head}\n{one['envelope']}".encode() for head, one in zip(heads, found, strict=True)]


def parsers() -> list[Parser]:
    envelopes = [one["envelope"].encode() for one in vectors()]
    by_kind = {kind: [one["envelope"].encode() for one in vectors("valid") if one["place"]["kind"] == kind] for kind in PLACES}
    lists = [forge.list_file(forge.list_content()), forge.list_file(forge.list_content(version=2, prev=TRUST.digest))]
    contents = [json.dumps(forge.list_content(version=2, prev=TRUST.digest)).encode()]
    heads = [one.partition(b".")[0] for one in envelopes]
    objects = [json.dumps(forge.taken_apart(forge.envelope())[0]).encode(), *contents]
    doors = [
        Parser(f"envelope as {kind}", partial(opened, kind=kind), [*right, *envelopes], OPENING, by_segment, 30_000)
        for kind, right in by_kind.items()
    ]
    signed: list[tuple[str, Mutation, Sequence[bytes], Callable[[bytes], object], int]] = [
        ("envelope of a member", resigned, by_kind["message"], opened, 25_000),
        (
            "content of a member",
            sealed,
            [CASE.sub(forge.CASE.encode(), one) for one in golden()],
            lambda raw: read_content(opened(raw)),
            5_000,
        ),
    ]
    return [
        *doors,
        *(Parser(name, call, samples, (*OPENING, ContractError), how, most) for name, how, samples, call, most in signed),
        Parser("record of the bus", taken_from_the_bus(), records(), (), inputs=30_000),
        Parser("JSON object", read_object, objects, (ValueError,), by_member),
        Parser("JWS header", read_base64_object, heads, (ValueError,)),
        Parser("signer's name", signed_by, envelopes, (ValueError, KeyError), by_segment),
        Parser("key name", parse_kid, list(forge.LIVES), inputs=100_000),
        Parser("proof", proven, proofs(), (Refused,), inputs=30_000),
        Parser("anchors", Anchors.parse, [forge.anchors_file()], (TrustListRefused,), by_member, 30_000),
        Parser("trust list, unsigned", TrustList.parse, contents, (TrustListRefused,), by_member, 15_000),
        Parser("trust list, first", partial(verify, anchors=ANCHORS), lists[:1], (TrustListRefused,), by_member, 15_000),
        Parser(
            "trust list, next", partial(accept, current=TRUST, anchors=ANCHORS), lists, (TrustListRefused,), by_member, 15_000
        ),
        Parser(
            "trust list of thieves", partial(accept, current=TRUST, anchors=ANCHORS), contents, (TrustListRefused,), rooted, 8_000
        ),
    ]
