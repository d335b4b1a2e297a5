"""A bureau announces its own maintenance only; what stands is planned, running or over."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from services.bureau.stations.acts import Maintenance
from services.bureau.stations.inbound import on_maintenance_announced
from services.bureau.stations.rules import read_window
from shared.contract.messages import MaintenanceAnnounced
from shared.contract.registry import ContentError
from shared.messaging import Received

NOW = datetime(2020, 12, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def test_an_announcement_about_others_is_refused() -> None:
    told = MaintenanceAnnounced(bureau="anhui", version=1, announced_at=NOW, starts_at=NOW, ends_at=NOW + HOUR, text="演示")
    received = Received("zhejiang", UUID(int=1), "zhejiang", NOW, NOW, b"")
    with pytest.raises(ContentError):
        await on_maintenance_announced(cast(Any, None), told, received)


@pytest.mark.parametrize(
    ("at", "stage"), [(-HOUR, "planned"), (0 * HOUR, "running"), (HOUR, "running"), (2 * HOUR, None), (3 * HOUR, None)]
)
def test_maintenance_runs_from_its_start_to_before_its_end(at: timedelta, stage: str | None) -> None:
    one = Maintenance("anhui", 1, NOW, NOW, NOW + 2 * HOUR, "演示", None)
    assert one.stage(NOW + at) == stage
    assert Maintenance("anhui", 2, NOW, NOW, NOW + 2 * HOUR, "演示", NOW).stage(NOW + at) is None


def test_typed_times_are_times_in_china() -> None:
    typed = {"starts_at": "2020-12-28T22:00", "ends_at": "2020-12-29T02:00", "text": " 演示 "}
    starts_at, ends_at, text = read_window(typed, now=NOW)
    assert (starts_at, ends_at - starts_at, text) == (datetime(2020, 12, 28, 14, tzinfo=UTC), 4 * HOUR, "演示")
