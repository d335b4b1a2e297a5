"""Writes schemas/*.json (JSON Schema 2020-12, one per message, question and answer) and asyncapi.json (AsyncAPI 3.0).

    python -m shared.contract.generate            write what has changed
    python -m shared.contract.generate --check    change nothing; exit 1 and name what is not current

Everything comes from the models and the registry: the documents are never edited.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from shared.contract.fields import Content, Wire
from shared.contract.messages import Message
from shared.contract.questions import Answer, Asker, Problem, Question
from shared.contract.registry import CAPABILITIES, MESSAGES, QUESTIONS, SCHEMA_MAJOR
from shared.identifiers.bureau import BUREAU_PATTERN

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DOCUMENT_VERSION = f"{SCHEMA_MAJOR}.0.0"
KAFKA_BINDING_VERSION = "0.5.0"
HTTP_BINDING_VERSION = "0.3.0"
SEALED = "application/jose"
_COMPONENT = "#/components/schemas/"
_HEADERS = {
    "ce_specversion": "1.0",
    "ce_id": "the envelope's jti",
    "ce_source": "the sending bureau, the envelope's iss",
    "ce_type": "the envelope's type",
    "ce_subject": "the envelope's key",
    "ce_time": "the envelope's iat, RFC 3339",
    "ce_dataschema": "the envelope's schema",
    "ce_partitionkey": "the record's key, the envelope's key",
    "traceparent": "W3C trace context",
    "content-type": SEALED,
}
_HEADERS_OPTIONAL = frozenset({"traceparent"})


def answers() -> tuple[type[Answer], ...]:
    """Every answer of the registry's questions, and Problem, which any question may get."""
    return (*(question.answer for question in QUESTIONS.values()), Problem)


def contents() -> tuple[type[Content], ...]:
    """Everything that an envelope may hold."""
    return (*MESSAGES.values(), *QUESTIONS.values(), *answers())


def _definitions(template: str) -> dict[str, dict[str, Any]]:
    """The schema of every model, and of what they are made of, by name; references follow `template`."""
    models: tuple[type[Wire], ...] = (*contents(), Asker)
    _, schema = models_json_schema([(model, "validation") for model in models], ref_template=template)
    return dict(sorted(schema["$defs"].items()))


def _content(model: type[Content], template: str) -> dict[str, Any]:
    """The schema of what an envelope with this model holds: name, version, body, and of a question the asker."""
    name = model.__name__
    properties: dict[str, Any] = {
        "name": {"const": name},
        "version": {"const": model.wire_version},
        "body": {"$ref": template.format(model=name)},
    }
    if issubclass(model, Question):
        properties["asker"] = {"$ref": template.format(model=Asker.__name__)}
    return {"type": "object", "required": list(properties), "properties": properties}


def _reachable(schema: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The definitions that `schema` refers to, directly or through others."""
    found: dict[str, Any] = {}
    waiting = list(references(schema))
    while waiting:
        name = waiting.pop().removeprefix(prefix)
        if name not in found:
            found[name] = definitions[name]
            waiting.extend(references(definitions[name]))
    return dict(sorted(found.items()))


def references(node: Any) -> list[str]:
    """Every $ref below a JSON node."""
    if isinstance(node, Mapping):
        here = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return here + [reference for value in node.values() for reference in references(value)]
    if isinstance(node, list):
        return [reference for value in node for reference in references(value)]
    return []


def json_schemas() -> dict[str, dict[str, Any]]:
    """File name -> JSON Schema of the content of an envelope."""
    definitions = _definitions("#/$defs/{model}")
    schemas = {}
    for model in contents():
        content = _content(model, "#/$defs/{model}")
        head = {
            "$schema": DIALECT,
            "$id": f"urn:quanyu:{model.__name__}:{model.wire_version}",
            "title": f"{model.__name__} version {model.wire_version}",
        }
        schemas[f"{model.__name__}.{model.wire_version}.json"] = {
            **head,
            **content,
            "$defs": _reachable(content, definitions, "#/$defs/"),
        }
    return schemas


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: a channel per capability (Kafka) and one per question (HTTP)."""
    kafka = {capability: _topic_channel(capability) for capability in CAPABILITIES}
    http = {question.__name__: _question_channel(question) for question in QUESTIONS.values()}
    operations: dict[str, Any] = {}
    for capability in CAPABILITIES:
        for action in ("send", "receive"):
            operations[f"{action}_{capability}"] = {"action": action, "channel": {"$ref": f"#/channels/{capability}"}}
    for name in http:
        operations[f"ask_{name}"] = _asking(name, http[name])
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Quanyu between bureaus",
            "version": DOCUMENT_VERSION,
            "description": "Payloads are shown opened. On the wire each is sealed in an envelope (application/jose): README.md.",
        },
        "defaultContentType": "application/json",
        "channels": {**kafka, **http},
        "operations": operations,
        "components": {"messages": _component_messages(), "schemas": _component_schemas()},
    }


def _topic_channel(capability: str) -> dict[str, Any]:
    names = [model.__name__ for model in MESSAGES.values() if model.capability == capability]
    return {
        "address": f"{{recipient}}.{capability}",
        "parameters": {"recipient": {"description": f"the one bureau that reads it, {BUREAU_PATTERN}"}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"kafka": {"bindingVersion": KAFKA_BINDING_VERSION}},
    }


def _question_channel(question: type[Question]) -> dict[str, Any]:
    names = (question.__name__, question.answer.__name__, Problem.__name__)
    return {"address": question.path, "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names}}


def _asking(name: str, channel: Mapping[str, Any]) -> dict[str, Any]:
    place = f"#/channels/{name}"
    return {
        "action": "send",
        "channel": {"$ref": place},
        "messages": [{"$ref": f"{place}/messages/{name}"}],
        "bindings": {"http": {"method": "POST", "bindingVersion": HTTP_BINDING_VERSION}},
        "reply": {
            "channel": {"$ref": place},
            "messages": [{"$ref": f"{place}/messages/{other}"} for other in channel["messages"] if other != name],
        },
    }


def _component_messages() -> dict[str, Any]:
    described: dict[str, Any] = {}
    for model in contents():
        name = model.__name__
        described[name] = {
            "name": name,
            "title": f"{name} version {model.wire_version}",
            "summary": (model.__doc__ or "").strip().splitlines()[0],
            "payload": {"$ref": f"{_COMPONENT}{name}Content"},
        }
        if issubclass(model, Message):
            described[name]["headers"] = {"$ref": f"{_COMPONENT}Headers"}
            key = {"type": "string", "description": "the case, or the object that the message is about"}
            described[name]["bindings"] = {"kafka": {"key": key, "bindingVersion": KAFKA_BINDING_VERSION}}
    return described


def _component_schemas() -> dict[str, Any]:
    template = _COMPONENT + "{model}"
    opened = {f"{model.__name__}Content": _content(model, template) for model in contents()}
    headers = {
        "type": "object",
        "required": [name for name in _HEADERS if name not in _HEADERS_OPTIONAL],
        "properties": {name: {"type": "string", "description": meaning} for name, meaning in _HEADERS.items()},
    }
    return {**_definitions(template), **opened, "Headers": headers}


def documents() -> dict[str, bytes]:
    """Path below this folder -> its whole content."""
    files: dict[str, Any] = {f"schemas/{name}": schema for name, schema in json_schemas().items()} | {"asyncapi.json": asyncapi()}
    return {path: (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode() for path, content in files.items()}


def stale(folder: Path) -> list[str]:
    """The documents that are missing, differ, or belong to no model."""
    wanted = documents()
    there = {f"schemas/{path.name}" for path in (folder / "schemas").glob("*.json")}
    differ = {path for path, content in wanted.items() if not (folder / path).exists() or (folder / path).read_bytes() != content}
    return sorted(differ | (there - set(wanted)))


def write(folder: Path) -> None:
    """Make the documents current; those that belong to no model are deleted."""
    wanted = documents()
    (folder / "schemas").mkdir(exist_ok=True)
    for path in stale(folder):
        if path in wanted:
            (folder / path).write_bytes(wanted[path])
        else:
            (folder / path).unlink()


def main(arguments: Sequence[str]) -> int:
    """Command line; exit 0 when all is current (or was written), 1 when --check found something, 2 for a wrong argument."""
    folder = Path(__file__).parent
    if list(arguments) not in ([], ["--check"]):
        sys.stderr.write("usage: python -m shared.contract.generate [--check]\n")
        return 2
    found = stale(folder)
    if arguments:
        sys.stderr.writelines(f"not current: {path}\n" for path in found)
        return 1 if found else 0
    write(folder)
    sys.stdout.writelines(f"written: {path}\n" for path in found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
