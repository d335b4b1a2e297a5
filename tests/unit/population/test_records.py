"""The record of a person, and what is written when it changes."""

from collections.abc import Callable
from datetime import date

import pytest
from pydantic import ValidationError

from services.bureau.population.rules import Change, changes_between, next_household_no
from services.bureau.population.tables import NEVER_TRANSFERRED, ResidentRecord
from shared.contract.records import CertificateMember

MakeRecord = Callable[..., ResidentRecord]
OF_THE_CASE = {"place", "epoch", "relation_to_holder_code", "reason_code"}


def test_a_migration_certificate_finds_all_its_fields_in_the_register() -> None:
    assert set(CertificateMember.model_fields) - OF_THE_CASE <= set(ResidentRecord.model_fields)


def test_what_is_never_transferred_has_no_place_in_a_certificate() -> None:
    assert set(ResidentRecord.model_fields) >= NEVER_TRANSFERRED
    assert not NEVER_TRANSFERRED & set(CertificateMember.model_fields)


def test_what_once_entered_the_register_stays_readable(make_record: MakeRecord) -> None:
    """A check digit that is wrong, or a county that is abolished, must not make a stored person unreadable."""
    old = make_record(citizen_id_no="310229198501010000", birth_division_code="330422")
    assert ResidentRecord.model_validate_json(old.model_dump_json(exclude_defaults=True)) == old


def test_an_error_about_a_record_never_shows_the_person(make_record: MakeRecord) -> None:
    with pytest.raises(ValidationError) as caught:
        make_record(name="张华" * 100)
    assert "张华" not in str(caught.value)


def test_the_change_log_names_field_and_code_of_the_standard(make_record: MakeRecord) -> None:
    old = make_record(occupation="教师", marital_status_code="10")
    new = make_record(
        name="张晓华", ethnicity_code="11", occupation=None, marital_status_code="20", registered_on=date(2021, 1, 1)
    )
    assert changes_between(old, new) == (
        Change("name", "20", "张华", "张晓华"),
        Change("ethnicity_code", "50", "01", "11"),
        Change("marital_status_code", None, "10", "20"),
        Change("occupation", None, "教师", None),
        Change("registered_on", None, None, "2021-01-01"),
    )


def test_nothing_is_logged_when_nothing_changed(make_record: MakeRecord) -> None:
    assert changes_between(make_record(), make_record()) == ()


@pytest.mark.parametrize(
    ("taken", "expected"), [([], "000000001"), (["000000041", "000000007"], "000000042"), (["旧12", "000000009"], "000000010")]
)
def test_a_new_booklet_gets_the_next_number(taken: list[str], expected: str) -> None:
    assert next_household_no(taken) == expected
