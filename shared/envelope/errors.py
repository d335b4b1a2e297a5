"""What can go wrong between two bureaus that read each other's envelopes.

::

    EnvelopeError
    ├── Refused             this envelope is not what it should be: keep the bytes, go on
    ├── NotYet              this envelope may be right later: keep it, open it again
    ├── TooLarge            a body over the limit: larger things travel by hash
    ├── NoKey               no usable key to seal with, or to seal to
    ├── KeyFileError        a key file is missing, damaged, readable by others, or wrapped by another key
    ├── CeremonyError       `quanyu keys` cannot do what was asked
    └── TrustListRefused    a trust list breaks a rule; the list in force stays
        └── Fork            two lists of one version: a person decides
"""

from types import MappingProxyType

from shared.identifiers.texts import N_

REFUSALS = MappingProxyType(
    {
        "too_large": N_("the envelope is larger than 1 MiB"),
        "zip": N_("the envelope is compressed"),
        "not_an_envelope": N_("the bytes are not an envelope"),
        "header": N_("the signature's header names another type or algorithm than agreed"),
        "scheme": N_("the encryption scheme is not one of those agreed"),
        "members": N_("the signed header has unknown, missing or malformed members"),
        "issuer": N_("the sender is not the bureau of the signing key"),
        "transport_headers": N_("the transport headers disagree with the signed header"),
        "wrong_audience": N_("the envelope is addressed to another bureau"),
        "wrong_place": N_("the envelope was read elsewhere than its header says"),
        "wrong_door": N_("the envelope's type belongs to another door"),
        "wrong_reply": N_("the answer is not to the question that was asked, or not of the bureau that was asked"),
        "wrong_key_use": N_("the signing key is listed for another use or another bureau"),
        "key_revoked": N_("the signing key is revoked"),
        "key_expired": N_("the signing key has expired"),
        "key_not_yet_valid": N_("the signing key is not valid yet"),
        "unknown_key": N_("the signing key stayed unknown for 30 days"),
        "signature": N_("the signature does not match"),
        "old_incarnation": N_("the sender has been restored from a backup since it sent this"),
        "stale": N_("more than 60 seconds lie between sending and reading"),
        "too_old": N_("the message is older than receipts are kept"),
        "recipient_key": N_("the content is encrypted to another key than the header names"),
        "rewrapped": N_("the content was encrypted under another header"),
        "decrypt": N_("the content cannot be decrypted"),
        "commitment": N_("the content is not what the header commits to"),
        "content": N_("the content does not fit its schema"),
    }
)
"""Every code of `Refused`, with the sentence shown to people (a gettext msgid)."""

WAITS = MappingProxyType(
    {
        "unknown_key": N_("the signing key is not in our trust list yet"),
        "key_not_yet_valid": N_("the signing key is not valid yet"),
        "clock_ahead": N_("the sender's clock is more than 5 minutes ahead of ours"),
        "recipient_key_missing": N_("our private key for this envelope is not on this node"),
        "unknown_content": N_("the schema, name or version of the content is unknown to this node"),
    }
)
"""Every reason of `NotYet`, with the sentence shown to people (a gettext msgid)."""


class EnvelopeError(Exception):
    """Something between two bureaus' envelopes is wrong."""


class Refused(EnvelopeError):
    """The envelope fails check `check` (trust.md 3.3) with `code`, one of `REFUSALS`; `detail` names no person."""

    def __init__(self, check: int, code: str, detail: str = "") -> None:
        super().__init__(f"check {check}: {REFUSALS[code]}" + (f" ({detail})" if detail else ""))
        self.check = check
        self.code = code
        self.detail = detail


class NotYet(EnvelopeError):
    """The envelope cannot be judged yet at check `check`; `reason` is one of `WAITS`, `about` the key or bureau concerned.

    At check 4 the sender is unverified: no receipt may be written. `clock_ahead` and `recipient_key_missing` are worth an alarm.
    """

    def __init__(self, check: int, reason: str, about: str = "") -> None:
        super().__init__(f"check {check}: {WAITS[reason]}" + (f" ({about})" if about else ""))
        self.check = check
        self.reason = reason
        self.about = about


class TooLarge(EnvelopeError):
    """The body or the sealed envelope exceeds its limit in bytes."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"{size_bytes} bytes exceed the limit of {limit_bytes} bytes")
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class NoKey(EnvelopeError):
    """No key of this use is usable now: none in its life, listed and not revoked."""

    def __init__(self, bureau: str, use: str) -> None:
        super().__init__(f"{bureau} has no usable {use} key")
        self.bureau = bureau
        self.use = use


class KeyFileError(EnvelopeError):
    """A key file is missing, damaged, readable by others, or wrapped by another key-encryption key."""


class CeremonyError(EnvelopeError):
    """The ceremony cannot do this; `msgid` with `values` is the sentence for the operator."""

    def __init__(self, msgid: str, **values: str | int) -> None:
        super().__init__(msgid.format(**values))
        self.msgid = msgid
        self.values = values


class TrustListRefused(EnvelopeError):
    """The trust list breaks `rule` (trust.md 4); the list in force stays."""

    def __init__(self, rule: str, detail: str = "") -> None:
        super().__init__(f"trust list refused: {rule}" + (f" ({detail})" if detail else ""))
        self.rule = rule
        self.detail = detail


class Fork(TrustListRefused):
    """Two properly signed lists of one version exist: both are kept, nothing newer is taken until a person decides."""

    def __init__(self, version: int, ours: str, theirs: str) -> None:
        super().__init__("fork", f"version {version}: {ours[:12]} and {theirs[:12]}")
        self.version = version
        self.ours = ours
        self.theirs = theirs
