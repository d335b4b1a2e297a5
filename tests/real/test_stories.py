"""The commands as a user runs them: exit code, the last line, what is left running. Each starts its own four bureaus."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import psutil
import pytest

from services.harness.stories.script import STORIES, story_names
from shared.identifiers.citizen_id import check_digit

ROOT = Path(__file__).parents[2]
QUANYU = (sys.executable, "-m", "services.cli")
COMMAND_SECONDS = 180.0  # ten times what a story takes on an idle machine
GONE_SECONDS = 10.0
POLL_SECONDS = 0.1
ON_BOTH_STACKS = pytest.mark.parametrize("stack", ["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])


@pytest.fixture
def surroundings(tmp_path: Path) -> Mapping[str, str]:
    """The environment of a command: no settings of ours, and temporary folders of its own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("QUANYU_")}
    return own | {"TMPDIR": str(tmp_path), "LC_ALL": "C.UTF-8"}


def quanyu(*arguments: str | Path, surroundings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [*QUANYU, *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=dict(surroundings), check=False, capture_output=True, text=True, timeout=COMMAND_SECONDS
    )


def running_in(folder: Path, *, seconds: float = GONE_SECONDS) -> list[str]:
    """Commands that have to do with a folder and still run; servers need a moment to be gone."""
    ends_at = time.monotonic() + seconds
    while True:
        found = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline", "pid"])]
        found = [command for command in found if str(folder) in command]
        pids = [int(file.read_text().split()[0]) for file in folder.rglob("*.pid")]
        found += [f"pid {pid}" for pid in pids if pid and psutil.pid_exists(pid)]
        if not found or time.monotonic() > ends_at:
            return found
        time.sleep(POLL_SECONDS)


@ON_BOTH_STACKS
@pytest.mark.parametrize("name", story_names())
def test_story_command_plays_a_story_to_its_end(name: str, stack: str, surroundings: Mapping[str, str], tmp_path: Path) -> None:
    done = quanyu("story", name, "--stack", stack, "--json", surroundings=surroundings)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert set(told) == {"story", "ok", "steps", "gauge"}
    assert (told["story"], told["ok"], told["gauge"]) == (name, True, {"none": 0, "many": 0})
    assert {frozenset(step) for step in told["steps"]} == {frozenset({"bureau", "act", "state", "message", "ms"})}
    assert [step["state"] for step in told["steps"]][-3:] == ["SETTLING", "GONE", "HERE"]
    assert running_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []  # nothing is left behind


def test_story_of_another_person_is_played_from_a_folder(surroundings: Mapping[str, str], tmp_path: Path) -> None:
    folder = shutil.copytree(STORIES / "wang", tmp_path / "hers")
    body = "33048219910101974"
    for file in ("application.json", "residents-zhejiang.csv", "residents-shanghai.csv"):
        text = (folder / file).read_text()
        text = text.replace("330482198405129726", body + check_digit(body)).replace("王雨晴", "陆晓梅")
        (folder / file).write_text(text)
    (folder / "story.toml").unlink()
    done = quanyu("story", "wang", "--input", folder, "--json", surroundings=surroundings)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["ok"] is True


@pytest.mark.kafka
def test_demo_on_kafka_ends_after_the_story(surroundings: Mapping[str, str], tmp_path: Path) -> None:
    done = quanyu("demo", "--once", "--stack", "kafka", "--folder", tmp_path / "run", surroundings=surroundings)
    assert done.returncode == 0, done.stderr
    assert "the story is complete" in done.stdout
    assert running_in(tmp_path / "run") == []


@contextmanager
def started(*arguments: str | Path, surroundings: Mapping[str, str]) -> Iterator["Talking"]:
    """A command that goes on; killed in the end, if it is still there."""
    process = subprocess.Popen(
        [*QUANYU, *map(str, arguments)],
        cwd=ROOT,
        env=dict(surroundings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield Talking(process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(COMMAND_SECONDS)


class Talking:
    """What a running command has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as out:
            self.lines.extend(iter(out.readline, ""))

    def heard(self, text: str) -> str:
        """The line in which `text` has been said. AssertionError: it ended, or time is up, without it."""
        ends_at = time.monotonic() + COMMAND_SECONDS
        while time.monotonic() < ends_at:
            ended = self.process.poll() is not None
            found = next((line for line in self.lines if text in line), None)
            if found is not None:
                return found
            assert not ended, "".join(self.lines)
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"{text!r} was not said:\n{''.join(self.lines)}")

    def ended(self) -> int:
        code = self.process.wait(COMMAND_SECONDS)
        self._reader.join(COMMAND_SECONDS)
        return code


def test_demo_stays_open_to_look_around_until_ctrl_c(surroundings: Mapping[str, str], tmp_path: Path) -> None:
    run, residents = tmp_path / "run", tmp_path / "residents.csv"
    made = quanyu(
        "register", "generate", "shanghai", "--count", "50", "--seed", "9", "--output", residents, surroundings=surroundings
    )
    assert made.returncode == 0, made.stderr
    with started("demo", "--folder", run, "--residents", "500", surroundings=surroundings) as demo:
        demo.heard("Ctrl-C stops everything")
        imported = quanyu("register", "import", "shanghai", residents, "--folder", run, surroundings=surroundings)
        assert imported.returncode == 0, imported.stderr
        again = quanyu("register", "import", "shanghai", residents, "--folder", run, surroundings=surroundings)
        assert again.returncode == 2  # everybody is there already: nothing is imported
        token = quanyu("token", "zhejiang", "D33002", "--folder", run, surroundings=surroundings)
        ports = json.loads((run / "ports.json").read_text())
        headers = {"Authorization": f"Bearer {token.stdout.strip()}"}
        cases = f"http://127.0.0.1:{ports['zhejiang']['web']}/api/v1/transfers"
        ended = httpx.get(cases, params={"state": "GONE"}, headers=headers, trust_env=False)
        assert [case["state"] for case in ended.json()["items"]] == ["GONE"]
        assert httpx.get(cases, headers=headers, trust_env=False).json()["items"] == []  # without a state: what is still open
        assert quanyu("token", "zhejiang", "D99999", "--folder", run, surroundings=surroundings).returncode == 1
        assert quanyu("demo", "--once", "--folder", run, surroundings=surroundings).returncode == 1  # one run a folder
        os.kill(int((run / "jiangsu.pid").read_text()), signal.SIGKILL)
        demo.heard("the node of jiangsu has ended (exit code -9)")
        assert f"quanyu node jiangsu --folder {run}" in demo.heard("start it again with")
        os.killpg(demo.process.pid, signal.SIGINT)
        assert demo.ended() == 0
    assert running_in(run) == []


def test_story_waits_for_a_node_that_was_killed_and_is_started_again(surroundings: Mapping[str, str], tmp_path: Path) -> None:
    with started("story", "wang", "--json", surroundings=surroundings) as story:
        story.heard('"act": "accept"')
        (folder,) = tmp_path.glob("quanyu-story-*")
        os.kill(int((folder / "zhejiang.pid").read_text()), signal.SIGKILL)
        story.heard("the node of zhejiang has ended")
        again = subprocess.Popen(
            [*QUANYU, "node", "zhejiang", "--folder", str(folder)],
            cwd=ROOT,
            env=dict(surroundings),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert story.ended() == 0, "".join(story.lines)
        again.wait(GONE_SECONDS)  # it ends with the story's run
    told = json.loads(story.lines[-1])
    assert (told["ok"], told["gauge"]) == (True, {"none": 0, "many": 0})


def test_interrupted_story_leaves_nothing(surroundings: Mapping[str, str], tmp_path: Path) -> None:
    with started("story", "wang", surroundings=surroundings) as story:
        story.heard("creating the databases")
        os.killpg(story.process.pid, signal.SIGINT)
        assert story.ended() == 1
    assert running_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_demo_that_is_interrupted_impatiently_leaves_nothing_and_its_folder_can_be_used_at_once(
    surroundings: Mapping[str, str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for seconds in (0.1, 0.6, 1.5):  # while PostgreSQL is made and started
        with started("--lang", "en", "demo", "--folder", run, "--residents", "10", surroundings=surroundings) as demo:
            demo.heard("starting four PostgreSQL servers")
            time.sleep(seconds)
            for _ in range(4):
                demo.process.send_signal(signal.SIGINT)
                time.sleep(0.15)
            assert demo.ended() == 1
            assert demo.lines[-1].startswith("everything has stopped")
            assert "Traceback" not in "".join(demo.lines)
        assert running_in(run, seconds=0) == []


def test_next_story_clears_up_after_one_that_was_killed(surroundings: Mapping[str, str], tmp_path: Path) -> None:
    with started("story", "wang", surroundings=surroundings) as story:
        story.heard("starting the four nodes")
        (folder,) = tmp_path.glob("quanyu-story-*")
        story.process.kill()
        story.ended()
    assert running_in(folder, seconds=0) != []
    done = quanyu("story", "wang", "--json", surroundings=surroundings)
    assert done.returncode == 0, done.stderr
    assert running_in(folder) == []
    assert not folder.exists()


def test_kafka_without_java_is_one_clear_sentence(surroundings: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    done = quanyu("story", "wang", "--stack", "kafka", surroundings={**surroundings, "PATH": str(tmp_path / "bin")})
    assert done.returncode == 1
    assert "Apache Kafka needs Java 17 or newer: install it" in done.stderr
    assert "Traceback" not in done.stderr
