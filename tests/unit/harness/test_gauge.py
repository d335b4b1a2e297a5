"""Who answers for a person, from what the registers say."""

from uuid import UUID

import pytest

from services.harness.gauge import Reading, Saying, holders

CASE, OTHER_CASE = UUID(int=1), UUID(int=2)


def active(bureau: str, epoch: int) -> Saying:
    return Saying(bureau, "ACTIVE", epoch, None, None, 1)


def in_transit(bureau: str, epoch: int, to: str) -> Saying:
    return Saying(bureau, "IN_TRANSIT", epoch, to, CASE, 2)


def moved(bureau: str, epoch: int, to: str, case: UUID = CASE) -> Saying:
    return Saying(bureau, "MOVED", epoch, to, case, 3)


def signed(bureau: str, epoch: int, from_: str, case: UUID = CASE) -> Saying:
    return Saying(bureau, "SETTLING", epoch, from_, case, 0)


def cancelled(bureau: str, epoch: int) -> Saying:
    return Saying(bureau, "CANCELLED", epoch, None, None, 4)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([active("zhejiang", 1)], ["zhejiang"]),
        ([in_transit("zhejiang", 1, "shanghai")], ["zhejiang"]),  # cancelled out, and still answered for
        ([in_transit("zhejiang", 1, "shanghai"), signed("shanghai", 2, "zhejiang")], ["zhejiang"]),  # signed, not yet let go
        ([moved("zhejiang", 1, "shanghai"), signed("shanghai", 2, "zhejiang")], ["shanghai"]),  # the instant of hand-over
        ([moved("zhejiang", 1, "shanghai"), active("shanghai", 2)], ["shanghai"]),
        ([active("zhejiang", 3), moved("shanghai", 2, "zhejiang", OTHER_CASE)], ["zhejiang"]),  # there and back
        ([cancelled("zhejiang", 1)], None),  # dead: nobody should answer
        ([moved("zhejiang", 1, "shanghai"), cancelled("shanghai", 2)], None),
        # what must never be
        ([], []),
        ([moved("zhejiang", 1, "shanghai")], []),
        ([moved("zhejiang", 1, "shanghai"), signed("shanghai", 2, "zhejiang", OTHER_CASE)], []),  # signed for another case
        ([moved("zhejiang", 1, "shanghai"), signed("shanghai", 3, "zhejiang")], []),  # another registration
        ([moved("zhejiang", 1, "shanghai"), signed("anhui", 2, "zhejiang")], []),  # at another bureau
        ([cancelled("zhejiang", 1), moved("shanghai", 2, "anhui")], []),
        ([active("zhejiang", 1), active("shanghai", 1)], ["zhejiang", "shanghai"]),
        ([active("anhui", 1), moved("zhejiang", 1, "shanghai"), signed("shanghai", 2, "zhejiang")], ["anhui", "shanghai"]),
    ],
)
def test_holders_are_where_asking_ends(said: list[Saying], expected: list[str] | None) -> None:
    assert holders(said) == expected


def test_reading_counts_persons_and_not_how_often_they_were_seen() -> None:
    reading = Reading()
    for _ in range(3):
        reading.judge("one", frozenset({moved("zhejiang", 1, "shanghai")}))
    reading.judge("two", frozenset({active("zhejiang", 1), active("shanghai", 1)}))
    reading.judge("three", frozenset({active("zhejiang", 1)}))
    reading.judge("four", frozenset({cancelled("zhejiang", 1)}))
    assert (reading.counts(), reading.is_clean) == ({"none": 1, "many": 1}, False)
