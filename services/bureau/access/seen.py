"""What a page has already shown to its officer, signed by the node: a page that follows by itself sends it back, and is shown
the same once more without a second row in the audit log. Nobody else's memory counts, nor an old one, nor one of other things."""

import hashlib
from collections.abc import Callable, Iterable

from itsdangerous import BadSignature, Signer

from services.bureau.access.calls import Call
from services.bureau.access.sessions import ABSOLUTE

SALT = "quanyu.seen"
Seen = Callable[[Iterable[object]], bool]
"""(what is about to be shown) -> whether a page of this officer shows it already, so that it was audited."""


def never(shown: Iterable[object]) -> bool:
    """For what nobody has seen yet: it is audited."""
    return False


def memory_of(call: Call, shown: Iterable[object]) -> str:
    """What a page that has shown, and audited, these things carries."""
    now = int(call.wiring.node.machine_now().timestamp())
    return _signer(call).sign(f"{now}.{_digest(call, shown)}").decode()


def seen_by(call: Call, memory: str) -> Seen:
    """What the page has seen that carries `memory`."""
    try:
        at, _, digest = _signer(call).unsign(memory).decode().partition(".")
    except BadSignature:
        return never
    if call.wiring.node.machine_now().timestamp() - int(at) > ABSOLUTE.total_seconds():  # longer than any login
        return never
    return lambda shown: _digest(call, shown) == digest


def _digest(call: Call, shown: Iterable[object]) -> str:
    """Bound to officer and post: what he sees in another post is another read."""
    parts = (call.officer.badge_no, call.officer.post.header, *sorted(str(one) for one in shown))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _signer(call: Call) -> Signer:
    return Signer(call.wiring.login_secret, salt=SALT, digest_method=hashlib.sha256)
