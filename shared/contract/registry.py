"""All messages and questions by name and version; from model to bytes and back.

Content of an envelope: {"name":"PermitIssued","version":1,"body":{..}}, a question's also has "asker".

ContractError (Exception)
  ├─ ContentError      not JSON, or the model does not fit: refused for good (envelope check 9)
  └─ UnknownContent    a name or version that this node does not know: not yet, an upgrade may
       ├─ UnknownSchema
       ├─ UnknownMessage
       └─ UnknownQuestion
No error shows what was in the content: it is a person's data.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import pydantic_core
from pydantic import ValidationError

from shared.contract.fields import Content, Wire
from shared.contract.messages import (
    CancellationRequested,
    DirectoryPublished,
    MaintenanceAnnounced,
    Message,
    MigrationCertificateIssued,
    PermitIssued,
    PermitReturned,
    ReissueRequested,
    TransferClosed,
    TransferSettled,
    TransferVoided,
)
from shared.contract.questions import Answer, Asked, Asker, PersonStatus, Problem, Question, ResidentForTransfer, TransferState
from shared.identifiers.bureau import BUREAU_PATTERN
from shared.identifiers.errors import Fault, fault_of

SCHEMA_MAJOR = 1
"""Of a capability as a whole; raised only when old and new readers cannot share a topic."""
FAULTS_SHOWN_MAX = 20

_MESSAGES: tuple[type[Message], ...] = (
    PermitIssued,
    PermitReturned,
    MigrationCertificateIssued,
    TransferSettled,
    TransferClosed,
    TransferVoided,
    CancellationRequested,
    ReissueRequested,
    DirectoryPublished,
    MaintenanceAnnounced,
)
_QUESTIONS: tuple[type[Question], ...] = (PersonStatus, ResidentForTransfer, TransferState)

MESSAGES: Mapping[tuple[str, int], type[Message]] = MappingProxyType({(one.__name__, one.wire_version): one for one in _MESSAGES})
QUESTIONS: Mapping[tuple[str, int], type[Question]] = MappingProxyType(
    {(one.__name__, one.wire_version): one for one in _QUESTIONS}
)
CAPABILITIES: tuple[str, ...] = tuple(sorted({one.capability for one in _MESSAGES}))
"""Those with messages, so with topics."""
SCHEMAS: frozenset[str] = frozenset(
    f"{capability}/{SCHEMA_MAJOR}" for capability in (*CAPABILITIES, *(one.capability for one in _QUESTIONS))
)
"""Values of the envelope's `schema` that this node reads."""

_BUREAU = re.compile(BUREAU_PATTERN, re.ASCII)
_W = TypeVar("_W", bound=Wire)


class ContractError(Exception):
    """The content of an envelope cannot be read."""


class ContentError(ContractError):
    """The content is not JSON, or does not fit its model."""

    def __init__(self, detail: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(detail)
        self.faults = faults


class UnknownContent(ContractError):
    """The name or version is not known to this node."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__(f"{name} version {version}")
        self.name, self.version = name, version


class UnknownSchema(UnknownContent):
    """The schema's major version is not known to this node."""


class UnknownMessage(UnknownContent):
    """The message's name or version is not known to this node."""


class UnknownQuestion(UnknownContent):
    """The question's name or version is not known to this node."""


def topic(recipient: str, capability: str) -> str:
    """The topic of a recipient (a bureau or "office"), `zhejiang.transfers`; raises ValueError for what can have none."""
    if _BUREAU.fullmatch(recipient) is None or capability not in CAPABILITIES:
        raise ValueError(f"no topic for recipient {recipient!r} and capability {capability!r}")
    return f"{recipient}.{capability}"


def schema_of(capability: str) -> str:
    """The envelope's `schema`: "transfers/1"."""
    return f"{capability}/{SCHEMA_MAJOR}"


def require_schema(schema: str, capability: str) -> None:
    """Raises ContentError for the schema of another capability, UnknownSchema for a version that this node does not read."""
    name, _, major = schema.partition("/")
    if name != capability:
        raise ContentError(f"the schema {schema} does not belong to {capability}")
    if schema not in SCHEMAS:
        raise UnknownSchema(f"schema {name}", int(major))


def encode(message: Message) -> bytes:
    """The message as compact JSON, UTF-8, absent members left out. What a reader would refuse raises ContentError here."""
    return _encode(message)


def decode(raw: bytes) -> Message:
    """The message in an opened envelope; raises ContentError or UnknownMessage."""
    name, version, content = _frame(raw)
    kind = MESSAGES.get((name, version))
    if kind is None:
        raise UnknownMessage(name, version)
    return _fit(kind, content.get("body"))


def encode_question(asked: Asked) -> bytes:
    """The question with its asker; raises ContentError for what the asked bureau would refuse."""
    return _encode(asked.question, asker=_body(asked.asker))


def decode_question(raw: bytes, *, path: str) -> Asked:
    """The question that came to `path`; raises ContentError (also if it belongs to another path) or UnknownQuestion."""
    name, version, content = _frame(raw)
    kind = QUESTIONS.get((name, version))
    if kind is None:
        raise UnknownQuestion(name, version)
    if kind.path != path:
        raise ContentError(f"{name} does not belong to {path}")
    return Asked(_fit(kind, content.get("body")), _fit(Asker, content.get("asker")))


def encode_answer(answer: Answer) -> bytes:
    """An answer or a Problem; raises ContentError for what the asker would refuse."""
    return _encode(answer)


def decode_answer(raw: bytes, *, question: type[Question]) -> Answer:
    """The answer to that kind of question, or a Problem; raises ContentError, also for any other name or version."""
    name, version, content = _frame(raw)
    for kind in (question.answer, Problem):
        if (name, version) == (kind.__name__, kind.wire_version):
            return _fit(kind, content.get("body"))
    raise ContentError(f"{name} version {version} does not answer {question.__name__}")


def _body(model: Wire) -> Any:
    body = model.model_dump(mode="json", exclude_none=True, warnings=False)
    _fit(type(model), body)  # model_copy and model_construct check nothing
    return body


def _encode(model: Content, **beside: Any) -> bytes:
    return pydantic_core.to_json({"name": type(model).__name__, "version": model.wire_version, "body": _body(model), **beside})


def _frame(raw: bytes) -> tuple[str, int, Mapping[str, Any]]:
    try:
        content = pydantic_core.from_json(raw, allow_inf_nan=False)
    except ValueError:
        raise ContentError("the content is not JSON") from None
    if not isinstance(content, dict):
        raise ContentError("the content is not a JSON object")
    name, version = content.get("name"), content.get("version")
    if not isinstance(name, str) or type(version) is not int:
        raise ContentError("the content has no name or no version")
    return name, version, content


def _fit(kind: type[_W], body: Any) -> _W:
    try:
        return kind.model_validate_json(pydantic_core.to_json(body))
    except ValidationError as error:
        faults = tuple(fault_of(details) for details in error.errors(include_url=False, include_input=False))
        shown = ", ".join(f"{fault.field or 'body'} ({fault.rule})" for fault in faults[:FAULTS_SHOWN_MAX])
        raise ContentError(f"{kind.__name__}: {shown}", faults) from None
