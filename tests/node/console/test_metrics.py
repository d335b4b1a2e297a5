"""Figures for Prometheus: what waits, how old, by peer; never a person, never an id."""

from datetime import timedelta

from shared.messaging.bus import Record
from tests.node.bureau import Bureau
from tests.node.people import SANXIAOKOU, WANG, ZHOU
from tests.node.transfers.cases import CASES, COUNTER, approved, permit_for, received


async def figures(bureau: Bureau) -> dict[str, float]:
    answer = await bureau.web.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def test_what_waits_for_the_bus_and_for_whom_is_counted_with_its_age(shanghai: Bureau) -> None:
    await approved(shanghai)
    shanghai.machine.offset += timedelta(seconds=90)
    found = await figures(shanghai)
    assert found["quanyu_outbox_unsent"] == 1
    assert 90 <= found["quanyu_outbox_oldest_seconds"] < 120
    assert found['quanyu_owed{owed_by="zhejiang"}'] == 1
    assert 90 <= found['quanyu_owed_oldest_seconds{owed_by="zhejiang"}'] < 120
    await shanghai.wiring.relay.pass_once()
    found = await figures(shanghai)
    assert (found["quanyu_outbox_unsent"], found["quanyu_outbox_oldest_seconds"]) == (0, 0)


async def test_what_we_owe_counts_as_ours(zhejiang: Bureau) -> None:
    await received(zhejiang)
    assert (await figures(zhejiang))['quanyu_owed{owed_by="zhejiang"}'] == 1


async def test_the_oldest_of_what_we_owe_to_several_counts(zhejiang: Bureau) -> None:
    await received(zhejiang)
    zhejiang.machine.offset += timedelta(seconds=90)
    hefei = {"destination_division_code": "340103", "destination_station_code": SANXIAOKOU, "accepted_by_unit_code": SANXIAOKOU}
    permit = permit_for(ZHOU, **hefei, issuer_code="340103000000")
    await zhejiang.told(permit, by="anhui")
    found = await figures(zhejiang)
    assert found['quanyu_owed{owed_by="zhejiang"}'] == 2
    assert 90 <= found['quanyu_owed_oldest_seconds{owed_by="zhejiang"}'] < 120


async def test_parts_that_can_be_reached_are_up(quiet_shanghai: Bureau) -> None:
    found = await figures(quiet_shanghai)
    assert found['quanyu_up{part="database"}'] == 1
    assert found['quanyu_up{part="bus"}'] == 1


async def test_requests_are_counted_by_the_template_of_their_route(shanghai: Bureau) -> None:
    case, _ = await approved(shanghai)
    await shanghai.ask(COUNTER, "GET", f"{CASES}/{case}")
    await shanghai.ask(COUNTER, "GET", f"/api/v1/residents?citizen_id_no={WANG.citizen_id_no}")
    await shanghai.ask(COUNTER, "GET", f"/{WANG.citizen_id_no}")
    text = (await shanghai.web.get("/metrics")).text
    assert 'route="/api/v1/transfers/{case}"' in text
    assert 'route="unknown"' in text
    for secret in (case, WANG.citizen_id_no, WANG.name, COUNTER):
        assert secret not in text


async def test_received_messages_are_counted_by_outcome(zhejiang: Bureau) -> None:
    record = zhejiang.sealed(permit_for(), by="shanghai")
    await zhejiang.deliver(record, record, Record("zhejiang.transfers", "", {}, b"no envelope"))
    found = await figures(zhejiang)
    for outcome in ("applied", "duplicate", "refused"):
        assert found[f'quanyu_receipts_total{{outcome="{outcome}"}}'] == 1


async def test_dead_letters_are_counted_by_reason(zhejiang: Bureau) -> None:
    await zhejiang.deliver(Record("zhejiang.transfers", "", {}, b"no envelope"))
    letters = {name: value for name, value in (await figures(zhejiang)).items() if name.startswith("quanyu_dead_letters{")}
    assert list(letters.values()) == [1]
