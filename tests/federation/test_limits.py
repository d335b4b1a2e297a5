"""Limits in business days: no clock changes a state, an officer decides; and the certificate that is issued again."""

from datetime import timedelta
from typing import Any

from tests.federation.clerk import DESTINATION, Clerk
from tests.federation.gauge import effects

PERMIT_DAYS, CERTIFICATE_DAYS = 40, 30


def days_pass(clerk: Clerk, days: int) -> None:
    clerk.network.clock.at += timedelta(days=days)


def rules(problem: Any) -> list[str]:
    return [one["rule"] for one in problem["errors"]]


async def test_the_last_day_of_a_permit_is_a_good_day_to_seal(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    days_pass(clerk, PERMIT_DAYS)
    await transfer.do("seal")
    await clerk.wire.settle()
    assert await transfer.states() == (["CERTIFIED"], ["SEALED"])


async def test_a_permit_that_has_ended_changes_nothing_by_itself_and_is_not_sealed_but_returned(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    days_pass(clerk, PERMIT_DAYS + 1)
    await clerk.network.tick(minutes=2)
    await clerk.wire.settle()
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])
    assert rules(await transfer.do("seal", expect=409)) == ["R07"]
    await transfer.do("return", {"code": "R07"})
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["RETURNED"])


async def test_a_permit_that_has_ended_may_be_waited_for_with_a_reason_and_not_before(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    assert rules(await transfer.do("wait", expect=422)) == ["not_expired"]
    days_pass(clerk, PERMIT_DAYS + 1)
    await transfer.do("wait", {"reason": "迁出地来电，明日办理"})
    notes = (await transfer.at_destination())["notes"]
    assert [(note["kind"], note["text"]) for note in notes] == [("wait", "迁出地来电，明日办理")]
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])
    await transfer.do("void", {"reason_code": "EXPIRED"})
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["VOID"])


async def test_a_certificate_that_comes_after_the_end_of_the_permit_still_counts(clerk: Clerk) -> None:
    """The permit's clock has no meaning once a certificate is there."""
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    days_pass(clerk, PERMIT_DAYS)
    await transfer.do("seal")
    days_pass(clerk, 5)
    await clerk.wire.settle()
    await transfer.do("settle")
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])


async def test_after_the_end_of_the_certificate_it_is_settled_with_a_reason_only(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    days_pass(clerk, CERTIFICATE_DAYS + 1)
    assert rules(await transfer.do("settle", expect=422)) == ["ended"]
    assert await transfer.states() == (["CERTIFIED"], ["SEALED"])
    await transfer.do("settle", {"late_reason": "住院，次日补办"})
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])


async def test_after_the_end_of_the_certificate_it_may_be_voided_as_expired(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    days_pass(clerk, CERTIFICATE_DAYS + 1)
    await transfer.do("void", {"reason_code": "EXPIRED"})
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["RESTORED"])


async def test_a_reissue_has_a_new_number_a_higher_issue_and_the_same_epoch(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    first = await transfer.at_destination()
    days_pass(clerk, CERTIFICATE_DAYS + 1)
    await transfer.do("request-reissue")
    assert "transfers.reissue" in await transfer.owed("shanghai")
    await clerk.wire.settle()
    assert (await transfer.owed("zhejiang"))["transfers.reissue"].direction == "by_us"
    await transfer.do("reissue")
    await clerk.wire.settle()
    second = await transfer.at_destination()
    assert (first["issue"], second["issue"]) == (1, 2)
    assert second["migration_no"] != first["migration_no"]
    assert second["certificate_valid_until"] > first["certificate_valid_until"]
    assert second["members"][0]["epoch"] == first["members"][0]["epoch"]
    assert not {*await transfer.owed("shanghai"), *await transfer.owed("zhejiang")} & {"transfers.reissue"}
    await transfer.do("settle")  # needs no reason: the new one is valid
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])


async def test_a_reissue_that_is_asked_for_twice_is_made_once_and_said_again(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    await transfer.do("request-reissue")
    await transfer.do("request-reissue")
    assert "reissue" in await transfer.ask_again(DESTINATION)
    await clerk.wire.settle()
    await transfer.do("reissue")
    late = clerk.wire.said_anew(clerk.wire.last("ReissueRequested"))
    await clerk.wire.settle()
    await clerk.wire.hand_over(late)
    await clerk.wire.settle()
    assert (await transfer.at_destination())["issue"] == 2
    assert not (await transfer.at_origin())["reissue_asked"]
    names = clerk.wire.names(transfer.case)
    assert names.count("MigrationCertificateIssued") == 3  # the first, the reissue, and the reissue once more


async def test_a_lower_issue_that_comes_late_changes_nothing(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    await transfer.do("seal")
    (first,) = await clerk.wire.settle_without("MigrationCertificateIssued")
    await transfer.do("reissue")
    await clerk.wire.settle()
    second = await transfer.at_destination()
    await clerk.wire.hand_over(first)
    after = await transfer.at_destination()
    assert second["issue"] == after["issue"] == 2
    assert after["migration_no"] == second["migration_no"]
    assert (await effects(clerk.network, transfer.case))["MigrationCertificateIssued"] == 1


async def test_a_reissue_that_crosses_with_the_signature_changes_nothing_for_the_close(clerk: Clerk) -> None:
    """The commit point looks at case, member and epoch, never at the number."""
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    await transfer.do("reissue")
    await transfer.do("settle")
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])
    assert (await transfer.at_destination())["issue"] == 1


async def test_nothing_is_reissued_after_the_settlement_has_arrived(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    await transfer.do("request-reissue")
    (asked,) = await clerk.wire.settle_without("ReissueRequested")
    await transfer.do("settle")
    await clerk.wire.settle()
    await clerk.wire.hand_over(asked)
    await clerk.wire.settle()
    await transfer.do("reissue", expect=409)
    assert await transfer.states() == (["HERE"], ["GONE"])
    assert not {*await transfer.owed("shanghai"), *await transfer.owed("zhejiang")}
