"""The auditor reads who did or read what and why: of one case or of all, page by page; that he reads is a row too."""

from tests.node.bureau import Bureau, faults
from tests.node.people import WANG, ZHOU, mover
from tests.node.transfers.cases import AUDITOR, COUNTER, application, approved, at_destination

AUDIT = "/api/v1/audit"


async def test_the_rows_of_a_case_tell_its_story_in_order(shanghai: Bureau) -> None:
    case, _ = await approved(shanghai)
    await at_destination(shanghai, "DRAFT", application(ZHOU))
    answer = await shanghai.ask(AUDITOR, "GET", f"{AUDIT}?case={case}")
    rows = answer.json()["rows"]
    assert [row["action"] for row in rows] == ["transfers.open", "transfers.accept", "transfers.submit", "transfers.approve"]
    assert {row["case_id"] for row in rows} == {case}
    assert rows[0]["actor"] == COUNTER
    assert answer.json()["next"] is None


async def test_no_row_names_a_person(shanghai: Bureau) -> None:
    await approved(shanghai)
    text = (await shanghai.ask(AUDITOR, "GET", AUDIT)).text
    assert WANG.citizen_id_no not in text
    assert WANG.name not in text


async def test_reading_the_log_is_a_row_of_it(shanghai: Bureau) -> None:
    await shanghai.ask(AUDITOR, "GET", AUDIT)
    (row,) = await shanghai.audit("audit.read")
    assert (row.actor, row.role, row.purpose) == (AUDITOR, "auditor", "supervision")


async def test_pages_follow_each_other(shanghai: Bureau) -> None:
    for number in (1, 2, 3):
        await at_destination(shanghai, "DRAFT", application(mover(number)))
    first = (await shanghai.ask(AUDITOR, "GET", f"{AUDIT}?most=2")).json()
    second = (await shanghai.ask(AUDITOR, "GET", f"{AUDIT}?most=2&after={first['next']}")).json()
    numbers = [row["id"] for row in (*first["rows"], *second["rows"])]
    assert len(numbers) == 4
    assert numbers == sorted(set(numbers))


async def test_a_bad_query_is_named(quiet_shanghai: Bureau) -> None:
    for query, field in (("case=first", "case"), ("after=-1", "after"), ("most=201", "most")):
        answer = await quiet_shanghai.ask(AUDITOR, "GET", f"{AUDIT}?{query}")
        assert answer.status_code == 422
        assert [named for named, _ in faults(answer)] == [field]
