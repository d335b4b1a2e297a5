"""Whatever is sent twice has one effect."""

from tests.federation.clerk import Clerk
from tests.federation.gauge import effects

ONE_OF_EACH = {"PermitIssued": 1, "MigrationCertificateIssued": 1, "TransferSettled": 1, "TransferClosed": 1}


async def test_a_transfer_in_which_every_act_and_every_message_comes_twice_has_each_effect_once(clerk: Clerk) -> None:
    clerk.twice = clerk.wire.twice = True
    person = await clerk.resident("zhejiang")
    transfer = await clerk.settled(person)
    assert await transfer.states() == (["HERE"], ["GONE"])
    assert await clerk.gauge.who_answers(person) == "shanghai"
    print(await effects(clerk.network, transfer.case), clerk.wire.names(transfer.case), clerk.gauge.readings)
