import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from shared.contract.codes import RETURN_TEXTS, VOID_TEXTS, ReturnCode, VoidReason
from shared.contract.generate import json_schemas
from shared.contract.messages import STATIONS_MAX, TransferMessage
from shared.contract.registry import MESSAGES, ContentError, decode

Sample = Callable[[str], dict[str, Any]]
CASE = "01764f0e-5c00-7a11-8d2a-3f9b1c6a7e01"
BODY_LIMIT_BYTES = 500 * 1024
FIRST = "certificate.members.0"


def _leaves(schema: dict[str, Any], node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place where a value can stand, with what may stand there."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
    if node.get("type") == "object":
        assert set(node) <= {"type", "title", "description", "required", "properties"}
        for name, inner in node["properties"].items():
            yield from _leaves(schema, inner, f"{path}.{name}")
    elif node.get("type") == "array":
        yield from _leaves(schema, node["items"], path)
    elif "anyOf" in node:
        for inner in node["anyOf"]:
            yield from _leaves(schema, inner, path)
    else:
        yield path, node


@pytest.mark.parametrize("name", ["TransferSettled", "TransferClosed"])
def test_what_serves_as_proof_has_no_room_for_a_name_or_a_number(name: str) -> None:
    schema = json_schemas()[f"{name}.1.json"]
    leaves = list(_leaves(schema, schema["$defs"][name]))
    assert len(leaves) >= 4
    for path, leaf in leaves:
        assert leaf.get("type") == "integer" or leaf.get("format") in {"uuid", "date-time"}, path


def test_the_walk_would_find_a_name() -> None:
    schema = json_schemas()["PermitIssued.1.json"]
    assert ".permit.members.name" in {path for path, _ in _leaves(schema, schema["$defs"]["PermitIssued"])}


@pytest.mark.parametrize(
    ("name", "places"),
    [("PermitIssued", (1, 2)), ("PermitReturned", (1, 2)), ("MigrationCertificateIssued", (1, 2)), ("TransferSettled", (1, 2)),
     ("TransferClosed", (1,)), ("TransferVoided", (1, 2)), ("CancellationRequested", (1, 2)), ("ReissueRequested", ())],
)  # fmt: skip
def test_each_transfer_message_tells_its_case_and_places(name: str, places: tuple[int, ...], sample: Sample) -> None:
    message = decode(json.dumps(sample(name)).encode())
    assert isinstance(message, TransferMessage)
    assert (message.case, message.key, message.places) == (UUID(CASE), CASE, places)
    assert message.capability == "transfers"


def test_every_transfer_message_is_in_that_list() -> None:
    assert len([model for model in MESSAGES.values() if issubclass(model, TransferMessage)]) == 8


def test_a_directory_is_ordered_by_its_bureau(sample: Sample) -> None:
    message = decode(json.dumps(sample("DirectoryPublished")).encode())
    assert (message.capability, message.key) == ("node", "zhejiang")


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("PermitIssued", {"apply_no": "QY31011620201120123456A"}, ("apply_no", "check_character")),
        ("PermitIssued", {"permit.valid_until": "2020-12-27"}, ("permit", "before_start")),
        ("PermitIssued", {"permit.applicant_name": "李示例"}, ("permit", "applicant_is_first")),
        ("PermitIssued", {"permit.applicant_id_no": None}, ("permit", "applicant_is_first")),
        ("PermitIssued", {"permit.members.0.place": 2}, ("permit", "place_twice")),
        ("PermitIssued", {"permit.members.0.place": 3}, ("permit", "applicant_is_first")),
        ("PermitIssued", {"permit.members": []}, ("permit.members", "too_short")),
        ("PermitIssued", {"permit.applicant_name": ""}, ("permit.applicant_name", "string_too_short")),
        ("PermitIssued", {"permit.applicant_name": "王" * 61}, ("permit.applicant_name", "string_too_long")),
        ("PermitIssued", {"permit.origin_station_code": "33048254"}, ("permit.origin_station_code", "form")),
        ("PermitIssued", {"permit.origin_division_code": "33048"}, ("permit.origin_division_code", "string_pattern_mismatch")),
        ("PermitIssued", {"permit.accepted_at": "2020-11-20T10:05:00"}, ("permit.accepted_at", "timezone_aware")),
        ("PermitIssued", {"permit.reported": 2}, ("permit.reported", "less_than_equal")),
        ("PermitIssued", {"permit.members.0.sex": "3"}, ("permit.members.0.sex", "literal_error")),
        ("PermitReturned", {"code": "R11"}, ("code", "enum")),
        ("PermitReturned", {"places": []}, ("places", "too_short")),
        ("PermitReturned", {"places": [1, 1]}, ("places", "place_twice")),
        ("PermitReturned", {"places": [0]}, ("places.0", "greater_than_equal")),
        ("PermitReturned", {"places": [51]}, ("places.0", "less_than_equal")),
        ("PermitReturned", {"heading_to": "JS"}, ("heading_to", "string_pattern_mismatch")),
        ("PermitReturned", {"reason_text": "长" * 501}, ("reason_text", "string_too_long")),
        ("MigrationCertificateIssued", {"certificate.issue": 0}, ("certificate.issue", "greater_than_equal")),
        ("MigrationCertificateIssued", {"certificate.valid_until": "2020-12-01"}, ("certificate", "before_start")),
        ("MigrationCertificateIssued", {"certificate.holder_name": "李示例"}, ("certificate", "holder_is_member")),
        ("MigrationCertificateIssued", {"certificate.members.1.place": 1}, ("certificate", "place_twice")),
        ("MigrationCertificateIssued", {"certificate.members.0.epoch": 0}, ("certificate.members.0.epoch", "greater_than_equal")),
        ("MigrationCertificateIssued", {f"{FIRST}.photo": "portrait.jpg"}, (f"{FIRST}.photo", "string_pattern_mismatch")),
        ("MigrationCertificateIssued", {f"{FIRST}.former_names": "王，" * 6}, (f"{FIRST}.former_names", "former_names")),
        ("MigrationCertificateIssued", {f"{FIRST}.former_names": "一，"}, (f"{FIRST}.former_names", "former_names")),
        ("TransferSettled", {"voided": [1]}, ("", "place_twice")),
        ("TransferSettled", {"settled": []}, ("settled", "too_short")),
        ("TransferClosed", {"closed": [{"place": 1, "epoch": 2}, {"place": 1, "epoch": 3}]}, ("", "place_twice")),
        ("TransferVoided", {"reason_code": "BORED"}, ("reason_code", "enum")),
        ("TransferVoided", {"case": "1"}, ("case", "uuid_parsing")),
        ("DirectoryPublished", {"stations.1.code": "330482540000"}, ("", "station_twice")),
        ("DirectoryPublished", {"stations.1.valid_until": "1999-12-31"}, ("stations.1", "before_start")),
        ("DirectoryPublished", {"stations.0.latitude": 91}, ("stations.0.latitude", "less_than_equal")),
        ("DirectoryPublished", {"version": 0}, ("version", "greater_than_equal")),
        ("MaintenanceAnnounced", {"ends_at": "2020-12-30T22:00:00+08:00"}, ("", "before_start")),
        ("MaintenanceAnnounced", {"starts_at": "2020-12-30T22:00:00"}, ("starts_at", "timezone_aware")),
        ("MaintenanceAnnounced", {"text": ""}, ("text", "string_too_short")),
        ("MaintenanceAnnounced", {"text": "长" * 201}, ("text", "string_too_long")),
        ("MaintenanceAnnounced", {"version": 0}, ("version", "greater_than_equal")),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_field_and_rule(
    name: str, change: dict[str, Any], fault: tuple[str, str], sample: Sample
) -> None:
    content = sample(name)
    for path, value in change.items():
        *way, last = path.split(".")
        node = content["body"]
        for step in way:
            node = node[int(step)] if isinstance(node, list) else node[step]
        node[last] = value
    with pytest.raises(ContentError) as caught:
        decode(json.dumps(content).encode())
    assert fault in {(one.field, one.rule) for one in caught.value.faults}


def test_a_child_without_a_number_can_be_on_a_permit(sample: Sample) -> None:
    content = sample("PermitIssued")
    del content["body"]["permit"]["members"][1]["citizen_id_no"]
    assert len(decode(json.dumps(content).encode()).model_dump()["permit"]["members"]) == 2


def test_a_full_household_and_a_full_directory_fit_an_envelope(sample: Sample) -> None:
    household = sample("MigrationCertificateIssued")
    first = household["body"]["certificate"]["members"][0]
    household["body"]["certificate"]["members"] = [first | {"place": place} for place in range(1, 51)]
    directory = sample("DirectoryPublished")
    station = directory["body"]["stations"][0]
    directory["body"]["stations"] = [station | {"code": f"3304820{n:05}"} for n in range(STATIONS_MAX)]
    for content in (household, directory):
        raw = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        assert len(raw) <= BODY_LIMIT_BYTES
        assert decode(raw).model_dump()


def test_every_code_has_its_text() -> None:
    assert set(RETURN_TEXTS) == set(ReturnCode)
    assert [code.value for code in ReturnCode] == [f"R{n:02}" for n in range(1, 11)]
    assert set(VOID_TEXTS) == set(VoidReason)
