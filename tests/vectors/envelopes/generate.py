"""Write the vectors: `python tests/vectors/envelopes/generate.py` from the root of the repository.

Each file has a comment, the envelope, where and when it is read (`place`, and where they matter `now`, `seen`, `headers`,
`received_at`, `expect_re`, `expect_iss`), and what must come out. `world.json` has the reader's keys, the anchors, the trust list
and `now`. Envelopes are made by `forge.py`, not by the code under test.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forge import (
    BODY,
    CASE,
    DAY,
    JTI,
    LIVES,
    NOW,
    QUESTION_JTI,
    QUESTION_PATH,
    RECIPIENT,
    RING,
    SENDER,
    UNLISTED,
    anchors_file,
    answer,
    compact_json,
    envelope,
    journal,
    jwk,
    list_content,
    list_file,
    plaintext_of,
    question,
    taken_apart,
)

Case = tuple[str, dict[str, Any]]

MESSAGE = {"kind": "message", "capability": "transfers", "topic": "zhejiang.transfers", "path": None, "key": CASE}
QUESTION = {"kind": "question", "capability": "transfers", "topic": None, "path": QUESTION_PATH, "key": CASE}
ANSWER = {**QUESTION, "kind": "answer"}
JOURNAL = {**MESSAGE, "kind": "journal", "topic": "journal.zhejiang"}
ASKED = {"expect_re": QUESTION_JTI, "expect_iss": "shanghai"}
HEADERS = {
    "ce_specversion": "1.0",
    "ce_id": JTI,
    "ce_source": "shanghai",
    "ce_type": "transfers.message",
    "ce_subject": CASE,
    "ce_time": "2026-09-21T14:13:15Z",
    "ce_dataschema": "transfers/1",
    "ce_partitionkey": CASE,
    "content-type": "application/jose",
}


def valid(name: str, comment: str, raw: bytes, *, content: bytes = BODY, kid: str = SENDER, **given: Any) -> Case:
    alarms = given.pop("alarms", [])
    opened = {"iss": kid.partition("#")[0], "kid": kid, "jti": JTI, "key": CASE, "alarms": alarms}
    expected = {"opened": {**opened, "content": content.decode()}}
    return f"valid/{name}", _vector(comment, raw, expected, given)


def refused(name: str, comment: str, raw: bytes, check: int, code: str, **given: Any) -> Case:
    return f"invalid/{check}-{name}", _vector(comment, raw, {"refused": code, "check": check}, given)


def not_yet(name: str, comment: str, raw: bytes, check: int, reason: str, **given: Any) -> Case:
    return f"invalid/{check}-{name}", _vector(comment, raw, {"not_yet": reason, "check": check}, given)


def _vector(comment: str, raw: bytes, expected: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    return {"comment": comment, "place": MESSAGE, **given, "expected": expected, "envelope": raw.decode()}


def valid_cases() -> Iterator[Case]:
    long = b'{"x":"' + b"a" * 20_000 + b'"}'
    chinese = '{"name":"欧阳雅","note":"𬱖𠅤"}'.encode()
    late = LIVES["shanghai#sig-expired"][1] - DAY
    before = NOW - 2 * DAY
    yield valid("message", "A message from Shanghai to Zhejiang, padded to 1 KiB.", envelope())
    yield valid("message-long", "A body of 20 KB, padded to 32 KiB.", envelope(body=long), content=long)
    yield valid("message-chinese", "The body is UTF-8, beyond the basic plane too.", envelope(body=chinese), content=chinese)
    yield valid("message-headers", "The record's headers agree with the signed header.", envelope(), headers=HEADERS)
    yield valid("message-any-key", "The place tells no key.", envelope(), place={**MESSAGE, "key": ""})
    yield valid("question", "A question, 5 seconds old.", envelope(h=question()), place=QUESTION)
    yield valid("answer", "The answer to the question that was asked.", envelope(h=answer()), place=ANSWER, **ASKED)
    own = "zhejiang#sig-expired"
    yield valid("journal", "Our own record under a key long expired.", envelope(kid=own, h=journal()), place=JOURNAL, kid=own)
    yield valid(
        "incarnation-higher", "The sender was restored: a higher incarnation.", envelope(h={"inc": 3}), seen={"shanghai": 2}
    )
    raw = envelope(kid="shanghai#sig-expired", h={"iat": late})
    yield valid("key-expired-sent-before", "Signed in the key's life, arrived 10 days after.", raw, kid="shanghai#sig-expired")
    raw = envelope(kid="shanghai#sig-revoked", h={"iat": before})
    yield valid(
        "key-revoked-received-before",
        "We received it before the key was revoked.",
        raw,
        kid="shanghai#sig-revoked",
        received_at=before,
    )
    old = "zhejiang#enc-expired"
    raw = envelope(recipient=old, h={"aud": old})
    yield valid("recipient-key-expired", "The sender's list is old: opened, with an alarm.", raw, alarms=["recipient_key_old"])


def form_cases() -> Iterator[Case]:
    h, jwe = taken_apart(envelope())
    twice = compact_json({"h": h, "jwe": jwe}).replace(b'"h":{', b'"h":{"aud":"anhui#enc-2026q3",')
    yield refused("zip", "The content is compressed.", envelope(jwe={"zip": "DEF"}), 1, "zip")
    yield refused("garbage", "No envelope at all.", b"not an envelope", 2, "not_an_envelope")
    yield refused("alg-none", "No signature algorithm.", envelope(jws={"alg": "none"}), 2, "header")
    yield refused("alg-eddsa", "The name that RFC 9864 replaced.", envelope(jws={"alg": "EdDSA"}), 2, "header")
    yield refused("typ", "Another type of JWS.", envelope(jws={"typ": "JWT"}), 2, "header")
    yield refused(
        "jws-header-more", "An unknown member in the JWS header.", envelope(jws={"jku": "https://x.example"}), 2, "header"
    )
    yield refused("jwe-alg", "Another key agreement.", envelope(jwe={"alg": "ECDH-ES"}), 2, "scheme")
    yield refused("jwe-enc", "Another content encryption.", envelope(jwe={"enc": "A128GCM"}), 2, "scheme")
    yield refused("enc-scheme", "A scheme of a later release.", envelope(h={"enc_scheme": "hpke-1"}), 2, "scheme")
    yield refused("member-more", "An unknown member of h.", envelope(h={"more": "x"}), 2, "members")
    yield refused("member-less", "A missing member of h.", envelope(h={"inc": None}), 2, "members")
    yield refused("member-twice", "aud occurs twice in h.", envelope(payload=twice), 2, "not_an_envelope")
    yield refused("member-float", "iat is not an integer.", envelope(h={"iat": NOW - 0.5}), 2, "not_an_envelope")
    yield refused(
        "iat-no-date", "iat lies behind the year 9999.", envelope(h={"iat": 253_402_300_800}), 2, "members", headers=HEADERS
    )
    yield refused("answer-without-re", "An answer to nothing.", envelope(h=answer(re=None)), 2, "members", place=ANSWER, **ASKED)
    yield refused("iss", "iss is not the bureau of kid.", envelope(h={"iss": "jiangsu"}), 2, "issuer")
    disagreeing = {**HEADERS, "ce_source": "jiangsu"}
    yield refused("headers", "A Kafka header disagrees.", envelope(), 2, "transport_headers", headers=disagreeing)


def place_cases() -> Iterator[Case]:
    for_anhui = envelope(recipient="anhui#enc-2026q3", h={"aud": "anhui#enc-2026q3"})
    other_path = {**QUESTION, "path": "/peer/v1/transfers/person-status"}
    yield refused("aud", "Addressed to Anhui, put on Zhejiang's topic.", for_anhui, 3, "wrong_audience")
    yield refused("topic", "Read on another topic.", envelope(), 3, "wrong_place", place={**MESSAGE, "topic": "zhejiang.node"})
    yield refused("path", "Posted to another path.", envelope(h=question()), 3, "wrong_place", place=other_path)
    yield refused("key", "The record has another key.", envelope(), 3, "wrong_place", place={**MESSAGE, "key": "another"})
    yield refused("door", "A message posted as a question.", envelope(), 3, "wrong_door", place=QUESTION)
    foreign = envelope(h=journal(iss="shanghai"))
    yield refused("foreign-journal", "Shanghai writes to our journal.", foreign, 3, "wrong_door", place=JOURNAL)
    not_asked = {**ASKED, "expect_re": JTI}
    yield refused("re", "The answer to another question.", envelope(h=answer()), 3, "wrong_reply", place=ANSWER, **not_asked)
    other_bureau = {**ASKED, "expect_iss": "anhui"}
    yield refused("re-iss", "The answer of another bureau.", envelope(h=answer()), 3, "wrong_reply", place=ANSWER, **other_bureau)


def key_cases() -> Iterator[Case]:
    expired, revoked, future = (f"shanghai#sig-{name}" for name in ("expired", "revoked", "2026q4"))
    root = envelope(kid="shanghai#root-2026")
    yield refused("use", "Signed by a root.", root, 4, "wrong_key_use")
    yield refused("expired", "Sent after the end of the key's life.", envelope(kid=expired), 4, "key_expired")
    long_ago = envelope(kid="shanghai#sig-ancient", h={"iat": NOW - 40 * DAY})
    yield refused("expired-long", "More than 30 days after the end.", long_ago, 4, "key_expired")
    asked = envelope(kid=expired, h=question())
    yield refused("expired-question", "A question under an expired key.", asked, 4, "key_expired", place=QUESTION)
    backdated = envelope(kid=revoked, h={"iat": NOW - 2 * DAY})
    yield refused("revoked", "A thief backdates: iat is no evidence.", backdated, 4, "key_revoked")
    yield not_yet("future", "A message under a key whose life has not begun.", envelope(kid=future), 4, "key_not_yet_valid")
    asked = envelope(kid=future, h=question())
    yield refused("future-question", "A question under such a key.", asked, 4, "key_not_yet_valid", place=QUESTION)
    yield not_yet("unknown", "The key is not in our list: fetch a newer one.", envelope(kid=UNLISTED), 4, "unknown_key")
    month_ago = NOW - 31 * DAY
    waited = envelope(kid=UNLISTED, h={"iat": month_ago})
    yield refused("unknown-30-days", "It waited 31 days for the key.", waited, 4, "unknown_key", received_at=month_ago)


def later_cases() -> Iterator[Case]:
    yield refused("forged", "Signed by Jiangsu in Shanghai's name.", envelope(signer="jiangsu#sig-2026q3"), 5, "signature")
    head, body, _ = envelope().split(b".")
    yield refused("unsigned", "The signature is cut off.", b".".join((head, body, b"")), 5, "signature")
    yield refused("lower", "Sent before the sender was restored.", envelope(), 6, "old_incarnation", seen={"shanghai": 2})
    asked = envelope(h=question(iat=NOW - 61))
    yield refused("stale", "A question of 61 seconds ago.", asked, 7, "stale", place=QUESTION)
    asked = envelope(h=question(iat=NOW + 61))
    yield refused("stale-ahead", "A question of 61 seconds ahead.", asked, 7, "stale", place=QUESTION)
    yield refused("old", "A message of 46 days ago.", envelope(h={"iat": NOW - 46 * DAY}), 7, "too_old")
    yield not_yet("ahead", "The sender's clock is 10 minutes ahead.", envelope(h={"iat": NOW + 600}), 7, "clock_ahead")


def decrypt_cases() -> Iterator[Case]:
    h, jwe = taken_apart(envelope())
    stolen = compact_json({"h": {**h, "iss": "jiangsu"}, "jwe": jwe})
    jiangsu = "jiangsu#sig-2026q3"
    rewrapped = envelope(kid=jiangsu, payload=stolen)
    yield refused("rewrapped", "Jiangsu signs Shanghai's ciphertext as its own.", rewrapped, 8, "rewrapped")
    h, jwe = taken_apart(envelope(jwe={"hh": None}))
    stolen = compact_json({"h": {**h, "iss": "jiangsu"}, "jwe": jwe})
    yield refused("rewrapped-without-hh", "The same without hh.", envelope(kid=jiangsu, payload=stolen), 8, "rewrapped")
    yield refused("without-hh", "Right in all but the missing hh.", envelope(jwe={"hh": None}), 8, "rewrapped")
    elsewhere = envelope(recipient="anhui#enc-2026q3", h={"aud": RECIPIENT})
    yield refused("jwe-kid", "Encrypted to another key than aud.", elsewhere, 8, "recipient_key")
    hidden = envelope(recipient="anhui#enc-2026q3", jwe={"kid": RECIPIENT})
    yield refused("decrypt", "Encrypted to Anhui under our key's name.", hidden, 8, "decrypt")
    other = envelope(plaintext=plaintext_of(b'{"another":1}'))
    yield refused("commitment", "The sender commits to another text.", other, 8, "commitment")
    missing = "zhejiang#enc-elsewhere"
    raw = envelope(recipient=missing, h={"aud": missing})
    yield not_yet("recipient-key-missing", "Our key, but not on this node.", raw, 8, "recipient_key_missing")


def world() -> dict[str, Any]:
    held = [f"zhejiang#{name}" for name in RING["zhejiang"]]
    return {
        "comment": "Who reads, when, with which keys. All keys are worthless: they follow from their names (forge.py).",
        "reader": "zhejiang",
        "now": NOW,
        "decryption_keys": {kid: jwk(kid, private=True) for kid in held},
        "anchors": json.loads(anchors_file()),
        "trust_list": json.loads(list_file(list_content())),
    }


def write(folder: Path) -> None:
    """Write all vectors below `folder`."""
    files = dict(
        [("world", world()), *valid_cases(), *form_cases(), *place_cases(), *key_cases(), *later_cases(), *decrypt_cases()]
    )
    for name, content in files.items():
        path = folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).parent)
