import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from pydantic_asyncapi.v3 import AsyncAPI

from shared import contract
from shared.contract import generate
from shared.contract.codes import ReturnCode, Standing, VoidReason
from shared.contract.questions import Problem, ProblemCode
from shared.contract.registry import CAPABILITIES, MESSAGES, QUESTIONS

FOLDER = Path(contract.__path__[0])
README = (FOLDER / "README.md").read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = json.loads((FOLDER / "asyncapi.json").read_text(encoding="utf-8"))
NAMED = set(re.findall(r"`([^`\n]+)`", README))


def _target(reference: str) -> Any:
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def _without_what_the_package_misreads(document: dict[str, Any]) -> dict[str, Any]:
    """pydantic-asyncapi 0.3.2 refuses Kafka message bindings, and demands a query binding and a reply address."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    for message in copy["components"]["messages"].values():
        message.pop("bindings", None)
    for operation in copy["operations"].values():
        operation.pop("bindings", None)
        operation.pop("reply", None)
    return copy


def test_the_documents_are_those_of_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_what_is_not_current_is_found_and_written(tmp_path: Path) -> None:
    generate.write(tmp_path)
    assert generate.stale(tmp_path) == []
    (tmp_path / "asyncapi.json").write_text("{}")
    (tmp_path / "schemas" / "PermitIssued.1.json").unlink()
    (tmp_path / "schemas" / "Greeting.1.json").write_text("{}")
    assert generate.stale(tmp_path) == ["asyncapi.json", "schemas/Greeting.1.json", "schemas/PermitIssued.1.json"]
    generate.write(tmp_path)
    assert generate.stale(tmp_path) == []
    assert not (tmp_path / "schemas" / "Greeting.1.json").exists()


def test_a_wrong_argument_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--chek"]) == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize("file", sorted(path.name for path in (FOLDER / "schemas").glob("*.json")))
def test_each_schema_is_a_json_schema_without_loose_ends(file: str) -> None:
    schema = json.loads((FOLDER / "schemas" / file).read_text(encoding="utf-8"))
    jsonschema_rs.meta.validate(schema)
    wanted = {reference.removeprefix("#/$defs/") for reference in generate.references(schema)}
    assert wanted == set(schema["$defs"])
    assert "additionalProperties" not in json.dumps(schema)  # readers ignore what a later version adds


def test_the_asyncapi_document_has_the_shape_of_version_3() -> None:
    read = AsyncAPI.model_validate(_without_what_the_package_misreads(DOCUMENT))
    assert read.asyncapi == "3.0.0"
    assert read.channels is not None
    assert set(read.channels) == set(CAPABILITIES) | {name for name, _ in QUESTIONS}
    assert read.operations is not None
    assert len(read.operations) == 2 * len(CAPABILITIES) + len(QUESTIONS)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    found = generate.references(DOCUMENT)
    assert len(found) > 80
    for reference in found:
        assert isinstance(_target(reference), dict), reference


def test_operations_speak_messages_of_their_own_channel() -> None:
    for operation in DOCUMENT["operations"].values():
        channel = operation["channel"]["$ref"]
        spoken = operation.get("messages", []) + operation.get("reply", {}).get("messages", [])
        for message in spoken:
            assert message["$ref"].startswith(f"{channel}/messages/")
    asking = DOCUMENT["operations"]["ask_TransferState"]
    replies = [message["$ref"].rsplit("/", 1)[-1] for message in asking["reply"]["messages"]]
    assert replies == ["TransferStateAnswer", "Problem"]


def test_every_message_is_in_the_channel_of_its_capability() -> None:
    for capability in CAPABILITIES:
        channel = DOCUMENT["channels"][capability]
        assert channel["address"] == f"{{recipient}}.{capability}"
        assert set(channel["messages"]) == {model.__name__ for model in MESSAGES.values() if model.capability == capability}
    for question in QUESTIONS.values():
        assert DOCUMENT["channels"][question.__name__]["address"] == question.path


def test_every_payload_of_the_asyncapi_document_takes_its_sample(sample_names: list[str]) -> None:
    samples = FOLDER.parents[1] / "tests" / "vectors" / "messages"
    for file in sample_names:
        content = json.loads((samples / file).read_text(encoding="utf-8"))
        payload = DOCUMENT["components"]["messages"][content["name"]]["payload"]
        whole = {"components": DOCUMENT["components"], **payload}
        jsonschema_rs.validator_for(whole, validate_formats=True).validate(content)


def test_the_readme_names_every_content_and_path() -> None:
    assert {model.__name__ for model in generate.contents()} <= NAMED
    assert {question.path for question in QUESTIONS.values()} <= NAMED
    assert {code.value for code in (*VoidReason, *Standing, *ProblemCode)} <= NAMED
    assert all(f"| {code.value} |" in README for code in ReturnCode)


def test_the_readme_names_every_record_and_every_field() -> None:
    records, fields = set(), set()
    for path in (FOLDER / "schemas").glob("*.json"):
        for name, schema in json.loads(path.read_text(encoding="utf-8"))["$defs"].items():
            records |= {name} if schema["type"] == "object" and name != "PlaceEpoch" else set()
            fields |= set(schema.get("properties", ()))
    assert sorted((records | fields) - NAMED) == []


def test_the_readme_marks_the_obligatory_fields_of_the_records() -> None:
    for record, message in (("MoveInPermit", "PermitIssued"), ("MigrationCertificate", "MigrationCertificateIssued")):
        schema = json.loads((FOLDER / "schemas" / f"{message}.1.json").read_text(encoding="utf-8"))["$defs"][record]
        chapter = README.split(f" `{record}` (")[1].split("\n### ")[0].split("\n## ")[0]
        table = chapter.split("`PermitMember`")[0].split("`CertificateMember`")[0]
        fields = {name: bool(mark) for name, mark in re.findall(r"`([a-z_]+)`( ✓)?", table)}
        fields = {name: mark for name, mark in fields.items() if name in schema["properties"]}
        assert set(fields) == set(schema["properties"])
        assert {name for name, mark in fields.items() if mark} == set(schema["required"])


def test_the_readme_tells_the_status_of_every_problem() -> None:
    for code in ProblemCode:
        assert f"| `{code.value}` | {Problem.of(code).status} |" in README


def test_the_contract_imports_only_identifiers() -> None:
    for file in FOLDER.glob("*.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith(("from shared", "import shared", "from services", "import services")):
                assert line.startswith(("from shared.contract", "from shared.identifiers")), f"{file.name}: {line}"
