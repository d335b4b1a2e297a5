"""核验 at the origin: permit beside register, the seal, the return."""

from typing import Any
from uuid import UUID

import pytest

from services.bureau.population.tables import HoldKind
from tests.node.browser import form_to
from tests.node.bureau import Bureau
from tests.node.conftest import Browse
from tests.node.people import STRANGER, WANG, ZHOU, ZHOU_WIFE
from tests.node.transfers.cases import O_COUNTER, O_VERIFIER, at_origin, permit_for, received, voided


async def test_the_permit_stands_beside_the_own_register(zhejiang: Bureau, browse: Browse) -> None:
    case = await received(zhejiang)
    answer = await (await browse(zhejiang, O_VERIFIER)).get(f"/w/case/{case}/review")
    assert answer.status_code == 200, answer.text
    for told in ("R01–R10：本地登记中没有不能迁出的情形", WANG.name, "核验清单", "先进行二次认证", "在册", 'class="differs"'):
        assert told in answer.text, told  # the address differs: 演示路1号, 演示路000000001号
    assert WANG.citizen_id_no not in answer.text


async def test_what_differs_is_marked_and_forbids_the_seal(zhejiang: Bureau, browse: Browse) -> None:
    case = await received(zhejiang, permit_for(STRANGER))
    browser = await browse(zhejiang, O_VERIFIER, step_up=True)
    shown = await browser.get(f"/w/case/{case}/review")
    assert "R01" in shown.text
    assert "不能迁出的情形" in shown.text
    path = f"/w/case/{case}/seal"
    answer = await browser.send(path, form_to(shown, path).fields | {"applicant_confirms": "yes"})
    assert answer.status_code == 409, answer.text
    assert 'class="errors"' in answer.text
    assert set((await zhejiang.states(case)).values()) == {"RECEIVED"}
    compare = await browser.get(f"/w/case/{case}/compare")
    assert compare.status_code == 200
    assert "R01" in compare.text


async def test_sealed_once_after_the_applicant_has_confirmed(zhejiang: Bureau, browse: Browse) -> None:
    case = await received(zhejiang)
    browser = await browse(zhejiang, O_VERIFIER, step_up=True)
    path = f"/w/case/{case}/seal"
    form = form_to(await browser.get(f"/w/case/{case}/review"), path).fields
    wrong = await browser.send(path, form)
    assert wrong.status_code == 422
    assert 'href="#applicant_confirms"' in wrong.text
    for _ in range(2):
        answer = await browser.send(path, form | {"applicant_confirms": "yes"})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/w/case/{case}?done=seal"), answer.text
    assert [type(one.message).__name__ for one in await zhejiang.news()] == ["MigrationCertificateIssued"]
    assert (await browser.get(f"/w/case/{case}/review")).status_code == 409


async def test_the_seal_needs_the_second_factor(zhejiang: Bureau, browse: Browse) -> None:
    case = await received(zhejiang)
    browser = await browse(zhejiang, O_VERIFIER)
    path = f"/w/case/{case}/seal"
    form = form_to(await browser.get(f"/w/case/{case}/review"), path).fields | {"applicant_confirms": "yes"}
    assert (await browser.send(path, form)).status_code == 401
    assert set((await zhejiang.states(case)).values()) == {"RECEIVED"}


async def test_a_silent_destination_is_said_and_the_officer_decides(zhejiang: Bureau, browse: Browse) -> None:
    case = await received(zhejiang)
    zhejiang.peers.down.add("shanghai")
    browser = await browse(zhejiang, O_VERIFIER, step_up=True)
    path = f"/w/case/{case}/seal"
    form = form_to(await browser.get(f"/w/case/{case}/review"), path).fields | {"applicant_confirms": "yes"}
    assert "without_answer" not in form
    silent = await browser.send(path, form)
    assert silent.status_code == 409
    assert 'name="without_answer"' in silent.text
    assert form_to(silent, path).fields["applicant_confirms"] == "yes"
    done = await browser.send(path, form_to(silent, path).fields | {"without_answer": "yes"})
    assert done.status_code == 303, done.text
    assert "迁入地未应答，已迁出注销" in (await browser.get(f"/w/case/{case}")).text


async def test_when_the_head_leaves_the_new_head_is_chosen(zhejiang: Bureau, browse: Browse) -> None:
    case = await received(zhejiang, permit_for(ZHOU))
    browser = await browse(zhejiang, O_VERIFIER, step_up=True)
    path = f"/w/case/{case}/seal"
    shown = await browser.get(f"/w/case/{case}/review")
    assert ZHOU_WIFE.name in shown.text
    form = form_to(shown, path).fields | {"applicant_confirms": "yes"}
    missing = await browser.send(path, form | {"new_head": ""})
    assert missing.status_code == 422
    assert 'href="#new_head"' in missing.text
    assert ZHOU_WIFE.citizen_id_no not in shown.text  # nor where only the browser reads it
    zhou, wife, wang = [str((await zhejiang.resident(one.citizen_id_no)).id) for one in (ZHOU, ZHOU_WIFE, WANG)]
    assert f'<option value="{wife}">' in shown.text
    for nobody in (zhou, wang, str(UUID(int=1)), ZHOU_WIFE.citizen_id_no, "\0"):  # he leaves; Wang lives elsewhere
        refused = await browser.send(path, form | {"new_head": nobody})
        assert (refused.status_code, 'href="#new_head"' in refused.text) == (422, True), nobody
    assert (await browser.send(path, form | {"new_head": wife})).status_code == 303


@pytest.mark.parametrize(
    ("typed", "field"),
    [({"code": ""}, "code"), ({"code": "R01"}, "code"), ({"code": "R04", "heading_to": "Mars!"}, "heading_to")],
)
async def test_a_return_that_is_wrong(zhejiang: Bureau, browse: Browse, typed: dict[str, Any], field: str) -> None:
    case = await received(zhejiang)
    browser = await browse(zhejiang, O_VERIFIER)
    path = f"/w/case/{case}/return"
    form = form_to(await browser.get(f"/w/case/{case}/review"), path).fields | {"reason_text": "写好的说明"} | typed
    answer = await browser.send(path, form)
    assert answer.status_code == 422
    assert f'href="#{field}"' in answer.text
    assert "写好的说明" in answer.text


async def test_returned_with_code_and_reason(zhejiang: Bureau, browse: Browse) -> None:
    case = await received(zhejiang)
    browser = await browse(zhejiang, O_VERIFIER)
    path = f"/w/case/{case}/return"
    form = form_to(await browser.get(f"/w/case/{case}/review"), path).fields | {"code": "R06", "reason_text": "本人否认"}
    for _ in range(2):
        assert (await browser.send(path, form)).status_code == 303
    assert [type(one.message).__name__ for one in await zhejiang.news()] == ["PermitReturned"]
    assert "R06" in (await browser.get(f"/w/case/{case}")).text


async def test_a_void_that_arrives_while_the_officer_reads_is_told(zhejiang: Bureau, browse: Browse) -> None:
    case = await received(zhejiang)
    browser = await browse(zhejiang, O_VERIFIER, step_up=True)
    path = f"/w/case/{case}/seal"
    form = form_to(await browser.get(f"/w/case/{case}/review"), path).fields | {"applicant_confirms": "yes"}
    await zhejiang.told(voided(case), by="shanghai")
    answer = await browser.send(path, form)
    assert answer.status_code == 409
    for told in ("未办理", "上海", "案件作废", "迁入地已作废"):
        assert told in answer.text, told


async def test_a_hold_is_seen_in_the_comparison(zhejiang: Bureau, browse: Browse) -> None:
    case = await received(zhejiang)
    body = {"citizen_id_no": WANG.citizen_id_no, "kind": HoldKind.RECORD_LOCKED.value, "reason": "演示"}
    answer = await zhejiang.ask(O_VERIFIER, "POST", "/api/v1/holds", body)
    assert answer.is_success, answer.text
    browser = await browse(zhejiang, O_VERIFIER)
    assert "档案锁定" in (await browser.get(f"/w/case/{case}/review")).text
    assert "已登记限制" in (await browser.get(f"/w/case/{case}")).text


async def test_numbers_are_shown_beside_the_register_after_an_audit_row(zhejiang: Bureau, browse: Browse) -> None:
    case = await received(zhejiang)
    answer = await (await browse(zhejiang, O_VERIFIER)).send(f"/w/case/{case}/review")
    assert answer.status_code == 200
    assert WANG.citizen_id_no in answer.text
    assert [row.actor for row in await zhejiang.audit("transfers.reveal")] == [O_VERIFIER]


async def test_others_do_not_verify(zhejiang: Bureau, browse: Browse) -> None:
    case = await at_origin(zhejiang, "RECEIVED")
    browser = await browse(zhejiang, O_COUNTER)
    for path in ("review", "compare"):
        answer = await browser.get(f"/w/case/{case}/{path}")
        assert answer.status_code == 403
        assert "户籍内勤" in answer.text
