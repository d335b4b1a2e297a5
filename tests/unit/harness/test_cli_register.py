"""`quanyu register`: a broken file is told in full and changes nothing, without any server; generated files are good ones."""

import csv
from datetime import datetime
from pathlib import Path

import pytest

from services.bureau.population.rules.importing import FAULTS_KEPT_MAX
from services.harness.registers import check_file
from shared.database import CHINA
from tests.unit.harness.conftest import Quanyu

GOOD = """\
station_code,household_no,address,relation_code,citizen_id_no,name,ethnicity_code
310116910000,000000001,演示路1号,02,310116198209269736,李志远,01
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.csv"
    file.write_text(GOOD)
    return file


def test_broken_file_is_reported_line_by_line_and_ends_with_2(quanyu: Quanyu, good: Path, tmp_path: Path) -> None:
    good.write_text(
        GOOD
        + "310116910000,000000001,演示路1号,12,330482198405129725,王雨晴,01\n"  # check digit
        + "310999910000,000000002,演示路2号,02,310116195611039740,周秀珍,99\n"  # station and ethnicity
    )
    ran = quanyu("register", "import", "shanghai", good, "--folder", tmp_path / "nowhere")
    assert ran.code == 2
    assert "3: citizen_id_no: check digit is 5, should be 6" in ran.out
    assert "[GB 11643-1999] (check_digit)" in ran.out
    assert "4: ethnicity_code: code 99 is not in the table" in ran.out
    assert "4: station_code: station 310999910000 is not known" in ran.out
    assert "nothing was imported" in ran.out


def test_fault_is_told_in_both_languages_the_readers_first(quanyu: Quanyu, good: Path) -> None:
    good.write_text(GOOD.replace("310116198209269736", "310116198209269735"))
    ran = quanyu("register", "import", "shanghai", good, language="zh")
    assert "2: citizen_id_no: 校验码不符：末位应为 6，实为 5 / check digit is 5, should be 6" in ran.out


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file has no residents"),
        (b"\xff\xfe\x00", "the file is not UTF-8"),
        (b"name,colour\nx,y\n", "column colour is not known"),
    ],
)
def test_file_that_is_no_register_is_refused(content: bytes, told: str, quanyu: Quanyu, good: Path) -> None:
    good.write_bytes(content)
    ran = quanyu("register", "import", "shanghai", good)
    assert ran.code == 2
    assert told in ran.out


def test_of_very_many_faults_the_first_are_told_and_the_others_counted(quanyu: Quanyu, good: Path) -> None:
    good.write_text(GOOD + "too,few\n" * (FAULTS_KEPT_MAX + 1) + GOOD.splitlines()[1] + "\n")
    ran = quanyu("register", "import", "shanghai", good)
    assert ran.code == 2
    assert len(ran.out.splitlines()) == FAULTS_KEPT_MAX + 4
    assert "and 1 more of the rule width" in ran.out
    assert "and 1 more of the rule person_twice" in ran.out
    assert "and 1 more of the rule second_head" in ran.out
    assert f"faults: {FAULTS_KEPT_MAX + 3}; nothing was imported" in ran.out


def test_file_that_is_no_text_does_nothing_to_the_terminal(quanyu: Quanyu, good: Path) -> None:
    good.write_bytes(b"\x7fELF\x1b[2J\x07" + b"\0" * 50_000 + b",name\nx,y\n")
    ran = quanyu("register", "import", "shanghai", good)
    assert ran.code == 2
    assert r"column \x7fELF\x1b[2J\x07\x00" in ran.out
    assert ran.out.replace("\n", "").isprintable()
    assert max(map(len, ran.out.splitlines())) < 1_000


def test_good_file_without_a_database_says_what_to_do(quanyu: Quanyu, good: Path, tmp_path: Path) -> None:
    ran = quanyu("register", "import", "shanghai", good, "--folder", tmp_path / "nowhere")
    assert ran.code == 1
    assert "the file is right: 1 residents in 1 households" in ran.out
    assert "start one with `quanyu demo`, or name its folder with --folder" in ran.err


def test_database_without_keys_cannot_be_filled(quanyu: Quanyu, good: Path) -> None:
    ran = quanyu("register", "import", "shanghai", good, "--database-url", "postgresql://x@127.0.0.1:1/y")
    assert ran.code == 1
    assert "--database-url needs --keys-folder" in ran.err


def test_database_that_is_away_is_told_in_a_sentence(quanyu: Quanyu, good: Path, tmp_path: Path) -> None:
    assert quanyu("keys", "make", tmp_path / "keys").code == 0
    where = ("--database-url", "postgresql://x@127.0.0.1:1/y", "--keys-folder", tmp_path / "keys" / "shanghai")
    ran = quanyu("register", "import", "shanghai", good, *where)
    assert ran.code == 1
    assert "the database of shanghai does not answer" in ran.err


def test_generated_file_is_good_for_the_import_and_the_same_for_the_same_seed(quanyu: Quanyu, tmp_path: Path) -> None:
    first, again, other = tmp_path / "first.csv", tmp_path / "again.csv", tmp_path / "other.csv"
    for file, seed in ((first, "7"), (again, "7"), (other, "8")):
        ran = quanyu("register", "generate", "zhejiang", "--count", "200", "--seed", seed, "--output", file)
        assert (ran.code, "200 residents are in" in ran.out) == (0, True)
    assert check_file("zhejiang", first, today=datetime.now(CHINA).date()).faults.kept == []
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()


def test_populations_of_two_seeds_have_no_household_number_in_common(quanyu: Quanyu, tmp_path: Path) -> None:
    # One register takes both: its numbers are unique in a station.
    numbers = []
    for seed in ("7", "8"):
        file = tmp_path / f"{seed}.csv"
        quanyu("register", "generate", "zhejiang", "--count", "200", "--seed", seed, "--output", file)
        with file.open() as opened:
            numbers.append({(row["station_code"], row["household_no"]) for row in csv.DictReader(opened)})
    assert not numbers[0] & numbers[1]
