"""`quanyu`: helps, languages, wrong use; what needs no server."""

import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli import register
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
    ("bus", "certificates"),
    ("bus", "prepare"),
    ("database", "prepare"),
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


def test_node_that_runs_already_is_not_forgotten_for_a_second_one(quanyu: Quanyu, tmp_path: Path) -> None:
    write_settings(tmp_path, "zhejiang", {})
    first = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)", "services.cli", "node", "zhejiang"]
    with subprocess.Popen(first, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"up\n"
        (tmp_path / "zhejiang.pid").write_text(str(running.pid))
        ran = quanyu("node", "zhejiang", "--folder", tmp_path)
        running.kill()
    assert (ran.code, ran.out) == (1, "")
    assert f"the node of zhejiang already runs in {tmp_path} as process {running.pid}" in ran.err
    assert (tmp_path / "zhejiang.pid").read_text() == str(running.pid)


@pytest.mark.parametrize(
    "arguments",
    [
        ("register", "generate", "zhejiang", "--count", "3", "--output", "{file}/x.csv"),
        ("register", "generate", "zhejiang", "--count", "3", "--output", "{folder}/nowhere/x.csv"),
        ("register", "generate", "zhejiang", "--count", "3", "--output", "{folder}"),
        ("register", "generate", "zhejiang", "--count", "3", "--output", ""),
        ("keys", "make", "{file}"),
        ("keys", "make", "{file}/keys"),
        ("demo", "--once", "--folder", "{file}/run"),
    ],
    ids=" ".join,
)
def test_path_that_cannot_be_used_is_one_sentence(arguments: tuple[str, ...], quanyu: Quanyu, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = quanyu(*(one.format(file=tmp_path / "file", folder=tmp_path) for one in arguments))
    assert (ran.code, ran.out) == (2, "")
    assert re.fullmatch(r".+ cannot be used: .+ / .+ 不能使用：.+\n", ran.err)


def test_full_disk_is_a_sentence_and_no_wrong_use(quanyu: Quanyu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_csv(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(register, "write_csv", write_csv)
    ran = quanyu("register", "generate", "zhejiang", "--output", tmp_path / "x.csv")
    assert ran.code == 1
    assert "the system refuses: No space left on device" in ran.err


def test_settings_of_a_run_folder_are_for_their_owner_alone(tmp_path: Path) -> None:
    write_settings(tmp_path, "shanghai", {"QUANYU_DATABASE_URL": "with a password"})
    assert (tmp_path / "shanghai.settings.json").stat().st_mode & 0o777 == 0o600


def test_demo_touches_no_folder_that_is_somebody_elses(quanyu: Quanyu, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    ran = quanyu("demo", "--once", "--folder", tmp_path)
    assert ran.code == 1
    assert f"{tmp_path} is not empty and no run folder" in ran.err
    assert [file.name for file in tmp_path.iterdir()] == ["precious"]
