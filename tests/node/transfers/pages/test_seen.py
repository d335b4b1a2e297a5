"""A page that follows by itself: what it shows was audited once; whatever more it shows is audited too."""

import re
from typing import Any

import pytest

from tests.node.bureau import Bureau
from tests.node.conftest import Browse
from tests.node.people import mover
from tests.node.transfers.cases import COUNTER, VERIFIER, application, at_destination, closed, opened


async def reads(bureau: Bureau) -> int:
    return len(await bureau.audit("transfers.read", decision="allowed"))


def memory_in(page: Any) -> str:
    (memory,) = re.findall(r'name="memory" value="([^"]+)"', page.text)
    return str(memory)


async def polled(browser: Any, path: str, memory: str) -> Any:
    answer = await browser.get(f"{path}?memory={memory}", HX_Request="true")
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize("page", ["", "/settle", "/trace"])
async def test_while_it_is_being_settled_the_first_view_is_a_row_and_what_it_fetches_is_none(
    shanghai: Bureau, browse: Browse, page: str
) -> None:
    case = await at_destination(shanghai, "SETTLING")
    browser, path = await browse(shanghai, COUNTER), f"/w/case/{case}{page}"
    before = await reads(shanghai)
    shown = await browser.get(path)
    assert re.search(r'hx-include="(\.kept|#memory)"', shown.text)
    assert await reads(shanghai) == before + 1  # looked at twice, since the origin is asked between: one view
    memory = memory_in(shown)
    for _ in range(3):
        memory = memory_in(await polled(browser, path, memory))
    assert await reads(shanghai) == before + 1
    await browser.get(path)  # by hand
    assert await reads(shanghai) == before + 2


async def test_what_has_changed_is_shown_and_audited(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "SETTLING")
    browser, path = await browse(shanghai, COUNTER), f"/w/case/{case}/settle"
    memory = memory_in(await browser.get(path))
    before = await reads(shanghai)
    await shanghai.told(closed(case, shanghai), by="zhejiang")
    after = await polled(browser, path, memory)
    assert "办结单" in after.text
    assert await reads(shanghai) == before + 1
    await polled(browser, path, memory_in(after))
    assert await reads(shanghai) == before + 1


async def test_only_the_own_memory_of_this_case_counts(shanghai: Bureau, browse: Browse) -> None:
    case, other = [await at_destination(shanghai, state, application(mover(n))) for n, state in enumerate(("SETTLING", "DRAFT"))]
    browser, path = await browse(shanghai, COUNTER), f"/w/case/{case}/settle"
    memory = memory_in(await browser.get(path))
    foreign = memory_in(await (await browse(shanghai, VERIFIER)).get(f"/w/case/{case}"))
    of_other = memory_in(await browser.get(f"/w/case/{other}"))
    said, _, signature = memory.rpartition(".")
    bent = f"{said}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"  # of the last character some bits mean nothing
    before = await reads(shanghai)
    for number, said in enumerate((foreign, of_other, bent, "x", ".", memory.partition(".")[0]), start=1):
        await polled(browser, path, said)
        assert await reads(shanghai) == before + number, said


@pytest.mark.parametrize("path", ["/w", "/w/queue/drafts", "/w/queue/recent"])
async def test_a_list_is_a_row_once_and_again_when_somebody_else_is_in_it(shanghai: Bureau, browse: Browse, path: str) -> None:
    first = await opened(shanghai, application(mover(1)))
    browser = await browse(shanghai, COUNTER)
    await browser.send(f"/w/case/{first}/take")
    before = await reads(shanghai)
    shown = await browser.get(path)
    assert 'hx-include="#memory"' in shown.text
    assert mover(1).name in shown.text
    memory = memory_in(await polled(browser, path, memory_in(shown)))
    assert await reads(shanghai) == before + 1
    second = await opened(shanghai, application(mover(2)))
    await browser.send(f"/w/case/{second}/take")
    await shanghai.done(COUNTER, first, "withdraw", {"reason": "申请人撤回"})
    after = await polled(browser, path, memory)
    assert mover(2).name in after.text
    assert await reads(shanghai) == before + 2
