"""Settings under which a group would not work are refused before anything connects; odd records stay readable."""

from types import SimpleNamespace

import pytest

from shared.messaging.kafka import GroupTiming, _delivered


def test_the_defaults_keep_the_rules() -> None:
    timing = GroupTiming()
    assert timing.request_timeout_ms >= timing.rebalance_timeout_ms + 10_000
    assert timing.session_timeout_ms >= 6_000


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"request_timeout_ms": 5_000, "rebalance_timeout_ms": 5_000}, "request_timeout_ms"),  # a second member never joins
        ({"request_timeout_ms": 17_999}, "rebalance_timeout_ms"),
        ({"session_timeout_ms": 5_999, "heartbeat_interval_ms": 1_000}, "session_timeout_ms"),  # refused by a real broker
        ({"heartbeat_interval_ms": 5_000}, "heartbeat_interval_ms"),
    ],
)
def test_a_timing_under_which_members_could_not_join_is_refused(settings: dict[str, int], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        GroupTiming(**settings)


def test_what_is_not_text_in_a_record_stays_readable_and_can_be_stored() -> None:
    headers = [("ce_id", b"\x00\xfe"), ("note", "迁移".encode())]
    message = SimpleNamespace(topic="t.x", partition=3, offset=9, key=b"k\xff\x00", value=None, headers=headers)
    delivered = _delivered(message)
    assert delivered.record.key == "k\\xff\\x00"
    assert delivered.record.headers == {"ce_id": "\\x00\\xfe", "note": "迁移"}
    assert delivered.record.value == b""
    assert (delivered.partition, delivered.offset) == (3, 9)


def test_a_record_without_a_key_has_an_empty_one() -> None:
    message = SimpleNamespace(topic="t.x", partition=0, offset=0, key=None, value=b"v", headers=[])
    assert _delivered(message).record.key == ""
