"""The cut checker notices: every way in which logs could show a person answered for twice."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.harness.cut import ROW, cut_faults, history

BEGIN = datetime(2021, 3, 1, tzinfo=UTC)
CASE = "01924b7e-0000-7000-8000-000000000001"


@dataclass(frozen=True)
class Line:
    """A row as `CUT` finds it."""

    at: datetime
    case_id: str | None
    peer: str
    action: str
    object_id: str
    change: dict[str, Any]


Logs = dict[str, list[Line]]


def member(minute: int, side: str, action: str, state: str, epoch: int = 2) -> Line:
    peer = "shanghai" if side == "origin" else "zhejiang"
    change = {"side": side, "version": 1, "members": [{"place": 1, "state": state, "epoch": epoch}]}
    return Line(BEGIN + timedelta(minutes=minute), CASE, peer, f"transfers.{action}", CASE, change)


def row(before: str | None, kind: str, epoch: int, version: int, case: str | None = CASE) -> Line:
    change = {"row_from": before, "row": kind, "epoch": epoch, "version": version}
    return Line(BEGIN, case, "", ROW, "ab12", change)


def moved() -> Logs:
    """A whole transfer from Zhejiang to Shanghai."""
    return {
        "zhejiang": [
            row(None, "ACTIVE", 1, 1, None),
            member(1, "origin", "PermitIssued", "RECEIVED", 0),
            row("ACTIVE", "IN_TRANSIT", 1, 2),
            member(2, "origin", "certify", "SEALED"),
            row("IN_TRANSIT", "MOVED", 1, 3),
            member(5, "origin", "TransferSettled", "GONE"),
        ],
        "shanghai": [
            member(0, "destination", "approve", "APPROVED", 0),
            member(3, "destination", "MigrationCertificateIssued", "CERTIFIED"),
            member(4, "destination", "sign", "SETTLING"),
            row(None, "ACTIVE", 2, 1, None),
            member(6, "destination", "TransferClosed", "HERE"),
        ],
    }


def faults(logs: Logs, *, clocks_agree: bool = True) -> list[str]:
    return cut_faults({bureau: history(bureau, log) for bureau, log in logs.items()}, clocks_agree=clocks_agree)


def test_a_whole_transfer_is_clean_and_so_is_any_cut_of_its_logs() -> None:
    assert faults(moved()) == []
    without_the_end = moved()
    del without_the_end["shanghai"][-2:]
    assert faults(without_the_end) == []


def _activated_first(logs: Logs) -> None:
    logs["shanghai"][-1] = replace(logs["shanghai"][-1], at=BEGIN)


def _never_closed(logs: Logs) -> None:
    del logs["zhejiang"][-2:]


def _two_activations(logs: Logs) -> None:
    logs["anhui"] = [logs["shanghai"][-1]]


def _activated_by_the_signature(logs: Logs) -> None:
    logs["shanghai"][-1] = replace(logs["shanghai"][-1], action="transfers.sign")


def _other_epoch(logs: Logs) -> None:
    logs["shanghai"][-1] = member(6, "destination", "TransferClosed", "HERE", 3)


def _restored_after_all(logs: Logs) -> None:
    logs["zhejiang"] += [row("MOVED", "ACTIVE", 1, 4), member(7, "origin", "TransferVoided", "RESTORED")]


def _closed_twice(logs: Logs) -> None:
    logs["zhejiang"].append(member(7, "origin", "TransferSettled", "GONE"))


def _nobody_signed(logs: Logs) -> None:
    del logs["shanghai"][2:]


def _version_repeated(logs: Logs) -> None:
    logs["zhejiang"][4] = row("IN_TRANSIT", "MOVED", 1, 2)


def _row_forgotten(logs: Logs) -> None:
    del logs["zhejiang"][4]


WRONG: dict[Callable[[Logs], None], str] = {
    _activated_first: "closed after its activation",
    _never_closed: "never closed",
    _two_activations: "two spans",
    _activated_by_the_signature: "activated by sign",
    _other_epoch: "closed for epoch 2, activated as 3",
    _restored_after_all: "after the end",
    _closed_twice: "entered 2 times",
    _nobody_signed: "nobody had signed",
    _version_repeated: "out of order",
    _row_forgotten: "1 members and 0 rows went IN_TRANSIT -> MOVED",
}


@pytest.mark.parametrize("spoil", WRONG, ids=[spoil.__name__ for spoil in WRONG])
def test_what_must_never_be_is_named(spoil: Callable[[Logs], None]) -> None:
    logs = moved()
    spoil(logs)
    assert WRONG[spoil] in "; ".join(faults(logs))


def test_times_are_not_compared_where_clocks_differ() -> None:
    logs = moved()
    _activated_first(logs)
    assert faults(logs, clocks_agree=False) == []
