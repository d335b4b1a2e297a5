"""已补正: what was missing has been brought."""

from tests.node.bureau import Bureau
from tests.node.transfers.cases import COUNTER, at_destination
from tests.node.transfers.traces import assert_audited


async def test_a_supplemented_case_is_accepted_again_on_its_first_day(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "SUPPLEMENT_REQUIRED")
    shanghai.on(2020, 11, 25)
    told = await shanghai.done(COUNTER, case, "supplemented")
    assert (told["states"], told["accepted_on"]) == (["ACCEPTED"], "2020-11-20")
    assert await shanghai.sent() == []
    await assert_audited(shanghai, "supplemented", case, by=COUNTER, members={1: "ACCEPTED"}, peer="zhejiang")


async def test_a_case_may_be_supplemented_more_than_once(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "SUPPLEMENT_REQUIRED")
    await shanghai.done(COUNTER, case, "supplemented")
    await shanghai.done(COUNTER, case, "ask-supplement", {"missing": "户口簿"})
    told = await shanghai.done(COUNTER, case, "supplemented")
    assert [note["text"] for note in told["notes"]] == ["结婚证原件", "户口簿"]
