"""What servers written in Java need: a Java that is new enough, Maven the first time, and a cache for what is made once."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from services.harness.stack.errors import StackError
from shared.identifiers.texts import N_

CACHE = Path(".cache") / "quanyu"  # below the home folder
HASH_DIGITS = 12
JAVA_VERSION = 17
DOWNLOAD_TIMEOUT_S = 600.0  # up to 177 MB, also over a slow line
TOOL_TIMEOUT_S = 60.0


def require_java(server: str) -> None:
    """StackError when there is no Java, or one that is too old for `server`."""
    sentence = N_("{server} needs Java {version} or newer: install it (for example: apt install openjdk-17-jre-headless)")
    if shutil.which("java") is None:
        raise StackError(sentence, server=server, version=JAVA_VERSION)
    answer = subprocess.run(["java", "-version"], check=False, capture_output=True, text=True, timeout=TOOL_TIMEOUT_S)
    found = re.search(r'version "(\d+)', answer.stderr)
    if found is None or int(found.group(1)) < JAVA_VERSION:
        raise StackError(sentence, server=server, version=JAVA_VERSION)


def fetch_by_maven(server: str, goal: Sequence[str], *, folder: Path) -> None:
    """Run one goal of Maven's, which leaves its notes in `folder`. StackError when there is no Maven, or it fails."""
    if shutil.which("mvn") is None:
        sentence = N_("{server} is fetched by Maven the first time: install it (for example: apt install maven)")
        raise StackError(sentence, server=server)
    run_tool("mvn", ["mvn", "-B", "-q", *goal], timeout_s=DOWNLOAD_TIMEOUT_S, folder=folder)


def run_tool(program: str, command: Sequence[str], *, timeout_s: float, folder: Path | None = None) -> None:
    """StackError with all that it says when it fails."""
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, errors="replace", timeout=timeout_s, cwd=folder
        )
    except subprocess.TimeoutExpired as late:
        sentence = N_("{program} was not done after {seconds} s")
        raise StackError(sentence, program=program, seconds=int(timeout_s)) from late
    if done.returncode != 0:
        raise StackError(N_("{program} failed: {output}"), program=program, output=(done.stderr + done.stdout).strip())


def keep(made: Path, place: Path) -> None:
    """Move a finished folder to its place in one step; another run may have been faster, and its folder is as good."""
    with suppress(OSError):
        made.rename(place)
