"""`quanyu`: helps, languages, wrong use; what needs no server."""

from pathlib import Path

import pytest

from services.cli.program import build, split_language
from services.harness.run_folder import write_settings
from tests.unit.harness.conftest import Quanyu

COMMANDS = (
    ("node",),
    ("demo",),
    ("story",),
    ("token",),
    ("keys", "make"),
    ("keys", "list"),
    ("keys", "rotate"),
    ("keys", "revoke"),
    ("register", "import"),
    ("register", "generate"),
)
WRONG_USES = (
    ("node", "paris"),  # no such bureau
    ("story", "wong"),  # no such story
    ("story", "wang", "--input", "/there/is/no/such/folder"),
    ("story", "wang", "--stack", "rabbit"),
    ("register", "import", "shanghai", "/there/is/no/such.csv"),
    ("register", "generate", "shanghai", "--count", "0"),
    ("keys", "make", "somewhere", "--bureau", "shanghai"),  # without its addresses
    ("demo", "--postgres-url", "mysql://somewhere"),
    ("dmo",),  # no such command
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_a_help_with_an_example(command: tuple[str, ...], quanyu: Quanyu) -> None:
    ran = quanyu(*command, "--help")
    assert ran.code == 0
    assert f"quanyu {' '.join(command)}" in " ".join(ran.out.split("Example")[1].split())


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_help_is_there_in_chinese(command: tuple[str, ...], quanyu: Quanyu) -> None:
    assert "示例" in quanyu(*command, "--help", language="zh").out


def test_every_option_says_what_it_is_for() -> None:
    def unexplained(command: object) -> list[str]:
        here = [param.name for param in getattr(command, "params", ()) if not param.help and param.name != "help"]
        return here + [name for below in getattr(command, "commands", {}).values() for name in unexplained(below)]

    assert unexplained(build()) == []


def test_without_a_command_the_help_is_shown(quanyu: Quanyu) -> None:
    ran = quanyu()
    assert "story" in ran.out + ran.err


@pytest.mark.parametrize("arguments", WRONG_USES, ids=" ".join)
def test_wrong_use_ends_with_2_and_says_what_is_wrong(arguments: tuple[str, ...], quanyu: Quanyu) -> None:
    ran = quanyu(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err


@pytest.mark.parametrize(
    ("arguments", "environment", "rest", "language"),
    [
        (["demo"], {}, ["demo"], "zh"),  # nothing said: Chinese
        (["demo"], {"LANG": "C.UTF-8"}, ["demo"], "zh"),
        (["demo"], {"LANG": "en_GB.UTF-8"}, ["demo"], "en"),
        (["demo"], {"LANG": "en_GB.UTF-8", "LC_ALL": "zh_CN.UTF-8"}, ["demo"], "zh"),  # LC_ALL counts first
        (["--lang", "en", "demo"], {}, ["demo"], "en"),
        (["demo", "--lang=en", "--once"], {}, ["demo", "--once"], "en"),  # wherever it stands
        (["--lang", "zh"], {"LANG": "en_US"}, [], "zh"),  # named counts more than the environment
        (["--lang", "fr"], {}, [], None),  # there is none
        (["--lang"], {}, [], None),
    ],
)
def test_language_is_what_was_named_else_the_environments_else_chinese(
    arguments: list[str], environment: dict[str, str], rest: list[str], language: str | None
) -> None:
    assert split_language(arguments, environment) == (rest, language)


def test_token_says_that_there_is_no_run(quanyu: Quanyu, tmp_path: Path) -> None:
    ran = quanyu("token", "shanghai", "D31001", "--folder", tmp_path)
    assert ran.code == 1
    assert f"there is no run in {tmp_path}" in ran.err


def test_token_says_that_the_node_does_not_answer(quanyu: Quanyu, tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text('{"shanghai": {"web": 1, "peer": 2}}')
    ran = quanyu("token", "shanghai", "D31001", "--folder", tmp_path)
    assert ran.code == 1
    assert "the node of shanghai does not answer at http://127.0.0.1:1" in ran.err


def test_node_of_a_folder_without_run_says_so(quanyu: Quanyu, tmp_path: Path) -> None:
    ran = quanyu("node", "zhejiang", "--folder", tmp_path)
    assert ran.code == 1
    assert f"there is no run of zhejiang in {tmp_path}" in ran.err


def test_settings_of_a_run_folder_are_for_their_owner_alone(tmp_path: Path) -> None:
    write_settings(tmp_path, "shanghai", {"QUANYU_DATABASE_URL": "with a password"})
    assert (tmp_path / "shanghai.settings.json").stat().st_mode & 0o777 == 0o600


def test_demo_touches_no_folder_that_is_somebody_elses(quanyu: Quanyu, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    ran = quanyu("demo", "--once", "--folder", tmp_path)
    assert ran.code == 1
    assert f"{tmp_path} is not empty and no run folder" in ran.err
    assert [file.name for file in tmp_path.iterdir()] == ["precious"]
