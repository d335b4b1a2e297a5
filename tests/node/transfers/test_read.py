"""Reading one case: for a purpose, within the own area, with an audit row; a case being settled is asked for on the spot."""

from typing import Any
from uuid import UUID

import pytest

from shared.contract.questions import TransferState, TransferStateAnswer
from tests.node.bureau import Bureau
from tests.node.people import LI, WANG
from tests.node.transfers.cases import (
    AUDITOR,
    CASES,
    COUNTER,
    HRSS,
    O_OPERATOR,
    O_VERIFIER,
    OFFICE,
    OPERATOR,
    at_destination,
    closed,
    sealed,
    settled,
    settling,
)

PERSONAL = (WANG.name, WANG.citizen_id_no, LI.name, LI.citizen_id_no, "13000000000", "演示路", "1990-03-07", "住院")


async def read(bureau: Bureau, officer: str, case: str, **headers: str) -> Any:
    return await bureau.ask(officer, "GET", f"{CASES}/{case}", **headers)


@pytest.mark.parametrize("officer", [COUNTER, OFFICE, HRSS])
async def test_who_works_on_it_sees_everything_and_the_read_is_a_row(shanghai: Bureau, officer: str) -> None:
    case = await at_destination(shanghai, "APPROVED")
    found = await read(shanghai, officer, case)
    assert found.status_code == 200
    told = found.json()
    assert (told["members"][0]["name"], told["permit"]["applicant_id_no"]) == (WANG.name, WANG.citizen_id_no)
    (row,) = await shanghai.audit("transfers.read", actor=officer)
    assert (row.decision, row.object_kind, row.object_id, row.case_id) == ("allowed", "case", case, UUID(case))
    assert (row.purpose, row.fields) == ("household_transfer", ["*"])


async def test_a_supervisors_purpose_is_written_down(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "APPROVED")
    found = await read(shanghai, OFFICE, case, Quanyu_Purpose="supervision")
    assert found.status_code == 200
    assert (await shanghai.audit("transfers.read", actor=OFFICE))[-1].purpose == "supervision"


async def test_an_operator_sees_where_it_stands_and_never_whose_it_is(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "SETTLING")
    found = await read(shanghai, OPERATOR, case)
    assert found.status_code == 200
    told = found.json()
    assert (told["states"], told["counterpart"], told["members"][0]["state"]) == (["SETTLING"], "zhejiang", "SETTLING")
    assert not {"application", "permit", "certificate", "returned", "notes"} & set(told)
    assert not {"name", "citizen_id_no"} & set(told["members"][0])
    assert not [word for word in PERSONAL if word in found.text]
    row = (await shanghai.audit("transfers.read", actor=OPERATOR))[-1]
    assert row.purpose == "operations"
    assert "*" not in row.fields
    assert "name" not in row.fields


async def test_the_auditor_reads_no_case(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "DRAFT")
    assert (await read(shanghai, AUDITOR, case)).status_code == 403


@pytest.mark.parametrize("purpose", ["operations", "supervision"])
async def test_a_counter_reads_for_no_other_purpose(shanghai: Bureau, purpose: str) -> None:
    case = await at_destination(shanghai, "DRAFT")
    answer = await read(shanghai, COUNTER, case, Quanyu_Purpose=purpose)
    assert answer.status_code == 403
    assert (await shanghai.audit("transfers.read", decision="denied"))[-1].purpose == purpose


async def test_while_settling_the_origins_close_settles_it_on_the_spot(shanghai: Bureau) -> None:
    case = await settling(shanghai)
    close = shanghai.sealed(closed(case, shanghai), by="zhejiang")
    states = ({"place": 1, "state": "GONE", "epoch": 2},)
    answer = TransferStateAnswer(side="origin", states=states, sealed=(close.value.decode(),))  # type: ignore[arg-type]
    shanghai.peers.answers[TransferState] = lambda question: answer
    assert (await read(shanghai, COUNTER, case)).json()["states"] == ["HERE"]
    assert (await shanghai.resident(WANG.citizen_id_no)).kind == "ACTIVE"
    await shanghai.deliver(close)  # the bus brings it too: the same message, dropped
    assert len(await shanghai.audit("transfers.TransferClosed")) == 1


async def test_a_silent_origin_does_not_hide_the_case(shanghai: Bureau) -> None:
    case = await settling(shanghai)
    shanghai.peers.down.add("zhejiang")
    assert (await read(shanghai, COUNTER, case)).json()["states"] == ["SETTLING"]


async def test_no_other_state_asks_the_origin(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "CERTIFIED")
    await read(shanghai, COUNTER, case)
    assert shanghai.peers.asked == []


async def test_an_unknown_case_is_not_found_and_a_strange_id_is_named(quiet_shanghai: Bureau) -> None:
    unknown = await read(quiet_shanghai, COUNTER, "01936e00-0000-7000-8000-000000000001")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "no_such_case")
    assert "01936e00-0000-7000-8000-000000000001" in unknown.json()["detail"]
    strange = await read(quiet_shanghai, COUNTER, "first")
    assert (strange.status_code, strange.json()["errors"][0]["field"]) == (422, "case")


async def test_what_went_out_and_came_back_is_listed_for_officers_alone(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    await zhejiang.told(settled(case, zhejiang), by="shanghai")
    told = (await read(zhejiang, O_VERIFIER, case)).json()["receipts"]
    assert [(one["package_type"], one["code"], one["message"]) for one in told] == [
        ("010124", 0, "迁出注销，迁移证已推送"),
        ("010124", 1, "迁出且迁入"),
    ]
    assert told[1]["migration_no"] == (await read(zhejiang, O_VERIFIER, case)).json()["migration_no"]
    assert "receipts" not in (await read(zhejiang, O_OPERATOR, case)).json()
