"""What grows, what it is measured beside, and how rows are copied."""

import json
import os
import time
from typing import Any

import pytest

from services.bureau.population.tables import household
from services.harness.bench import crowd, loads
from services.harness.bench.bed import Cost, cpu_clock
from services.harness.bench.figures import Figures
from services.harness.bench.growth import SIZES, Costs, Size, show
from services.harness.bench.post import Asked, Written, rate, read_head
from services.harness.bench.post import show as show_post
from shared.audit import audit
from shared.contract.messages import DirectoryPublished
from shared.identifiers.unit_code import bureau_of_unit

PAIR = (Size("small", "small"), Size("large", "large", residents=1_000_000, floor="small", at_most=1.1))


def costs(small: float, large: float, *, wall: float = 1.0) -> Costs:
    made = Costs()
    for number in range(5):
        disturbed = 10.0 if number == 4 else 1.0
        made.add("small", Cost(cpu=small * disturbed, wall=1.0))
        made.add("large", Cost(cpu=large * disturbed, wall=wall))
    return made


@pytest.mark.parametrize(("large", "wall", "ok"), [(0.0105, 1.0, True), (0.012, 1.0, False), (0.0105, 2.0, False)])
def test_a_message_is_judged_beside_the_smaller_bed(large: float, wall: float, ok: bool) -> None:
    figures = Figures("growth")
    show(figures, PAIR, costs(0.010, large, wall=wall))
    cpu = next(one for one in figures.figures if one.name == "large: a message")
    assert (cpu.floor, cpu.unit, cpu.target) == (10.0, "ms CPU", "<= 1.1")
    assert cpu.ratio == pytest.approx(large / 0.010)
    assert figures.ok is ok


def test_every_size_differs_from_its_floor_in_one_thing() -> None:
    by_name = {size.name: size for size in SIZES}
    for size in SIZES:
        if size.floor is not None:
            floor = by_name[size.floor]
            differing = [name for name in ("members", "residents", "finished") if getattr(size, name) != getattr(floor, name)]
            assert len(differing) == 1
            assert size.at_most is not None


def test_a_copy_has_ids_of_its_own_and_no_identity() -> None:
    statement = loads.copy_statement(audit, "t.case_id = 'x'", {"case_id": "n.case_id"})
    assert statement.startswith('INSERT INTO audit ("at", ')
    assert 'n.case_id, t."fields"' in statement
    assert '"id"' not in statement


def test_a_copy_cannot_change_a_column_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="household has no number"):
        loads.copy_statement(household, "true", {"number": "1"})


def test_finished_cases_are_copied_before_they_are_counted() -> None:
    statements = loads.finished_cases(10, like="0199")
    assert statements[-2:] == list(loads.AFTERWARDS)
    assert not any("$case" in statement for statement in statements)


def test_the_two_that_run_come_first() -> None:
    assert crowd.names(2) == ["shanghai", "zhejiang"]
    assert crowd.names(6) == ["shanghai", "zhejiang", "jiangsu", "anhui", "bureau-05", "bureau-06"]


def test_simulated_bureaus_list_stations_that_are_nobody_elses() -> None:
    fifth, sixth = crowd.stations("bureau-05"), crowd.stations("bureau-06")
    assert {bureau_of_unit(one.code) for one in (*fifth, *sixth)} == {None}
    assert not {one.code for one in fifth} & {one.code for one in sixth}
    listed: dict[str, Any] = {"bureau": "bureau-05", "version": 1, "published_at": "2026-01-01T00:00:00+08:00"}
    listed["stations"] = [one.model_dump(mode="json") for one in fifth]
    assert DirectoryPublished.model_validate_json(json.dumps(listed)).stations == fifth


def test_the_clock_of_another_process_counts_its_work() -> None:
    before = time.clock_gettime(cpu_clock(os.getpid()))
    sum(range(1_000_000))
    assert 0.0 < time.clock_gettime(cpu_clock(os.getpid())) - before < 10.0


def test_an_answers_head_is_read_in_any_case() -> None:
    assert read_head(b"HTTP/1.1 200 OK\r\ndate: now\r\nContent-Length: 12\r\n\r\n") == (200, 12)


def test_four_clients_that_wait_10_ms_have_400_answers_a_second() -> None:
    assert rate([[0.010] * 8, [0.010] * 8, [1.0] * 8]) == pytest.approx(400)


def test_the_web_part_alone_is_judged() -> None:
    figures, asked = Figures("post"), Asked(ours=[[0.040] * 8], floor=[[0.010] * 8])
    show_post(figures, Written({"audit": [100, 200], "outbox": [2_000]}, 50), {"all": asked, "web": asked})
    judged = [one for one in figures.figures if one.target]
    assert [(one.name, one.ratio, one.ok) for one in judged] == [("accepted POSTs, web part", 0.25, False)]
    assert [one.value for one in figures.figures[:2]] == [3, 2_300]
