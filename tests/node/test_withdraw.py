"""Our signing key is revoked while messages still wait to be sent: they are withdrawn, and their case says its state anew."""

import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.bureau.stations import acts as stations
from shared.contract.messages import (
    CancellationRequested,
    DirectoryPublished,
    MaintenanceAnnounced,
    Message,
    MigrationCertificateIssued,
    PermitIssued,
    PermitReturned,
    TransferClosed,
    TransferSettled,
    TransferVoided,
)
from shared.envelope import signed_by
from shared.envelope.ceremony import current_list, revoke_key, rotate_key
from tests.node.bureau import Bureau, Federation
from tests.node.conftest import Yard
from tests.node.transfers.cases import COUNTER, approved, at_destination, at_origin, certified


@pytest.fixture
async def own_yard(yard: Yard, tmp_path: Path) -> Yard:
    """Bureaus whose keys belong to this test alone."""
    shutil.copytree(yard.federation.keys, tmp_path / "keys")
    federation = Federation(tmp_path / "keys", yard.federation.rings, yard.federation.trust)
    return replace(yard, federation=federation)


@pytest.fixture
async def bureaus(own_yard: Yard, tmp_path: Path) -> AsyncIterator[dict[str, Bureau]]:
    made = {code: await own_yard.open(code, tmp_path) for code in ("shanghai", "zhejiang")}
    yield made
    for bureau in made.values():
        await own_yard.close(bureau)


def take_up(bureau: Bureau) -> None:
    """What is new in the folder of keys is in force, also for the test's own reading."""
    bureau.wiring.node.trust.reload()
    bureau.wiring.node.keyring.reload()
    bureau.federation = replace(bureau.federation, trust=bureau.wiring.node.trust.current)


def own_key(bureau: Bureau) -> str:
    listed = current_list(bureau.federation.keys).keys
    return [one.kid for one in listed if (one.bureau, one.use) == (bureau.code, "sig")][-1]


def replaced(bureau: Bureau) -> str:
    """The bureau's signing key is stolen: another takes its place, and it is revoked; gives the new one."""
    old, now = own_key(bureau), int(time.time())
    new = rotate_key(bureau.federation.keys, bureau.code, "sig", now=now, nbf=now)
    revoke_key(bureau.federation.keys, old, now=now, reason="stolen")
    take_up(bureau)
    return new


async def signers(bureau: Bureau) -> list[str]:
    return [signed_by(row.sealed) for row in await bureau.rows("SELECT sealed FROM outbox ORDER BY seq")]


@pytest.mark.parametrize(
    ("code", "state", "kind"),
    [
        ("shanghai", "APPROVED", PermitIssued),
        ("shanghai", "SETTLING", TransferSettled),
        ("shanghai", "VOID", TransferVoided),
        ("zhejiang", "SEALED", MigrationCertificateIssued),
        ("zhejiang", "RETURNED", PermitReturned),
        ("zhejiang", "CANCELLING", CancellationRequested),
        ("zhejiang", "GONE", TransferClosed),
    ],
)
async def test_what_a_revoked_key_has_signed_is_withdrawn_and_the_state_is_said_once(
    bureaus: dict[str, Bureau], code: str, state: str, kind: type[Message]
) -> None:
    bureau = bureaus[code]
    case = await (at_destination if code == "shanghai" else at_origin)(bureau, state)
    before = await bureau.sent()
    old, new = own_key(bureau), replaced(bureau)
    assert await bureau.wiring.relay.pass_once() == 1
    (after,) = await bureau.sent()
    assert (type(after.message), after.message, after.to) == (kind, before[-1].message, before[-1].to)
    assert await signers(bureau) == [new]
    rows = await bureau.audit("messages.withdrawn")
    assert [(row.jti, row.object_id, row.peer) for row in rows] == [(one.event_id, case, one.to) for one in before]
    assert {row.reason for row in rows} == {f"{old} is revoked"}
    assert await bureau.wiring.relay.pass_once() == 0
    assert len(await bureau.audit("messages.withdrawn")) == len(before)  # once


async def test_a_reissue_that_was_asked_for_is_asked_for_again(bureaus: dict[str, Bureau]) -> None:
    shanghai = bureaus["shanghai"]
    case, _ = await certified(shanghai)
    await shanghai.rows("UPDATE outbox SET sent_at = now() RETURNING seq")
    await shanghai.done(COUNTER, case, "request-reissue", {"reason": "遗失"})
    new = replaced(shanghai)
    assert await shanghai.wiring.relay.pass_once() == 1
    assert (await signers(shanghai))[1:] == [new]


async def test_what_was_sent_and_what_another_key_signed_stays(bureaus: dict[str, Bureau]) -> None:
    shanghai = bureaus["shanghai"]
    await approved(shanghai)
    await shanghai.rows("UPDATE outbox SET sent_at = now() RETURNING seq")
    new = replaced(shanghai)
    await stations_told(shanghai)
    assert await shanghai.wiring.relay.pass_once() == 3
    assert await shanghai.audit("messages.withdrawn") == []
    kept = [signed_by(row.sealed) for row in await shanghai.rows("SELECT sealed FROM outbox ORDER BY seq")]
    assert kept[1:] == [new] * 3
    assert kept[0] != new


async def stations_told(bureau: Bureau) -> list[str]:
    async def unit(session: Any) -> list[str]:
        return await stations.publish_directory(session)

    return await bureau.wiring.database.run(unit, name="test")


async def test_a_directory_that_did_not_leave_is_told_anew(bureaus: dict[str, Bureau]) -> None:
    shanghai = bureaus["shanghai"]
    assert len(await stations_told(shanghai)) == 3
    new = replaced(shanghai)
    await shanghai.wiring.relay.pass_once()
    sent = await shanghai.sent()
    assert [type(one.message) for one in sent] == [DirectoryPublished] * 3
    assert {one.to for one in sent} == {"jiangsu", "zhejiang", "anhui"}
    assert await signers(shanghai) == [new] * 3


async def test_an_announcement_that_did_not_leave_is_told_anew(bureaus: dict[str, Bureau]) -> None:
    shanghai = bureaus["shanghai"]
    form = {"starts_at": "2031-01-01T22:00", "ends_at": "2031-01-02T02:00", "text": "演示"}
    await shanghai.wiring.database.run(lambda session: stations.announce(session, form, seen=0), name="test")
    await shanghai.news()
    await stations_told(shanghai)
    new = replaced(shanghai)
    await shanghai.wiring.relay.pass_once()
    sent = [one for one in await shanghai.sent() if isinstance(one.message, MaintenanceAnnounced)]
    assert {one.to for one in sent} == {"jiangsu", "zhejiang", "anhui"}
    assert len(sent) == 3
    assert set(await signers(shanghai)) == {new}


async def test_without_another_key_nothing_leaves_and_nothing_is_lost(bureaus: dict[str, Bureau]) -> None:
    shanghai = bureaus["shanghai"]
    await approved(shanghai)
    (old,) = await signers(shanghai)
    revoke_key(shanghai.federation.keys, old, now=int(time.time()), reason="stolen")
    take_up(shanghai)
    for _ in range(2):
        assert await shanghai.wiring.relay.pass_once() == 0
    assert await signers(shanghai) == [old]
    assert await shanghai.audit("messages.withdrawn") == []
    now = int(time.time())
    new = rotate_key(shanghai.federation.keys, "shanghai", "sig", now=now, nbf=now)
    take_up(shanghai)
    assert await shanghai.wiring.relay.pass_once() == 1
    assert await signers(shanghai) == [new]
