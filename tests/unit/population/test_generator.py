"""The synthetic population: reproducible, valid by the rules of the import, recognisable, nobody twice."""

import csv
import io
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

import services
from services.bureau.population.rules.importing import FileCheck, read_line
from services.bureau.stations.rules import read_stations
from services.harness.population import Population, write_csv
from shared.contract.records import Station
from shared.identifiers.bureau import provinces

BUREAUS = [province.bureau for province in provinces().values()]
COUNT = 3_000


def stations_of(bureau: str) -> tuple[Station, ...]:
    folder = Path(services.__file__).parent / bureau
    return read_stations((folder / "stations.csv").read_text(encoding="utf-8"), bureau=bureau)


def population(bureau: str = "shanghai", *, count: int = COUNT, seed: int = 1) -> Population:
    return Population(bureau, stations_of(bureau), count, seed)


@pytest.mark.parametrize("bureau", BUREAUS)
def test_every_generated_resident_passes_the_import_of_its_bureau(bureau: str) -> None:
    file = io.StringIO()
    assert write_csv(population(bureau), file) == COUNT
    stations, check, rows = {one.code for one in stations_of(bureau)}, FileCheck(), 0
    for rows, values in enumerate(csv.DictReader(io.StringIO(file.getvalue())), 1):
        read = read_line(values, bureau=bureau, stations=stations, today=date(2020, 11, 20))
        _, faults = check.enter(rows, values["citizen_id_no"].encode(), read)
        assert (read.faults, faults) == ((), [])
        assert read.citizen is not None
        assert read.citizen.known_division
    assert rows == COUNT
    assert list(check.headless()) == []


def test_the_same_seed_gives_the_same_people_and_another_seed_others() -> None:
    assert list(population(count=200).households()) == list(population(count=200).households())
    people = {record.citizen_id_no for one in population(count=500).households() for _, record in one.members}
    others = {record.citizen_id_no for one in population(count=500, seed=2).households() for _, record in one.members}
    assert len(people & others) < 5


def test_a_larger_population_begins_with_the_smaller_one() -> None:
    small, large = list(population(count=100).households()), list(population(count=200).households())
    assert large[: len(small) - 1] == small[:-1]  # the last household of the small one may be cut


def test_all_are_recognised_by_serial_and_address() -> None:
    for one in population(count=500).households():
        assert one.line.address.startswith("演示路")
        assert all(980 <= int(record.citizen_id_no[14:17]) <= 999 for _, record in one.members)


def test_birth_dates_of_one_slot_class_stay_apart_between_generations() -> None:
    for one in population(count=1_000).households():
        relation = dict(one.members)
        for child in (relation.get("20"), relation.get("30")):
            if child is not None:
                assert 23 <= (child.born_on - relation["02"].born_on).days / 365 <= 30


def test_stations_share_the_households() -> None:
    lines = [one.line for one in population(count=400).households()]
    open_stations = {one.code for one in stations_of("shanghai") if not one.code.endswith("000000") and one.valid_until is None}
    assert {line.station_code for line in lines} == open_stations
    for earlier, later in pairwise([line for line in lines if line.station_code == "310116910000"]):
        assert int(later.household_no) == int(earlier.household_no) + 1


def test_a_million_residents_fit_into_the_smallest_province() -> None:
    mean_household = COUNT / sum(1 for _ in population().households())
    assert population().slots * mean_household > 1_000_000


@pytest.mark.parametrize("stations", [(), tuple(one for one in stations_of("shanghai") if one.code.endswith("000000"))])
def test_without_an_open_station_nobody_can_be_registered(stations: tuple[Station, ...]) -> None:
    with pytest.raises(ValueError, match="lists no open station"):
        next(Population("shanghai", stations, 1).households())
