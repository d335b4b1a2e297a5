"""What servers written in Java need of the machine, and how the Keycloak part of the stack keeps what it has made."""

from pathlib import Path

import pytest

from services.harness.stack import keycloak
from services.harness.stack.errors import StackError
from services.harness.stack.java import require_java, run_tool
from tests.unit.harness.conftest import install

UNPACK = f"""
for word in "$@"; do case "$word" in
-DoutputDirectory=*) /bin/mkdir -p "${{word#*=}}/keycloak-{keycloak.VERSION}/lib" && /bin/pwd > "${{word#*=}}/../where";;
esac; done"""


def test_a_machine_without_java_is_told_what_to_install(programs: Path) -> None:
    assert not list(programs.iterdir())
    with pytest.raises(StackError, match="Keycloak needs Java 17 or newer: install it"):
        require_java("Keycloak")


def test_a_java_that_is_too_old_is_refused(programs: Path) -> None:
    install(programs, "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    with pytest.raises(StackError, match="needs Java 17"):
        require_java("Keycloak")


@pytest.mark.parametrize("shown", ['openjdk version "17.0.15" 2025-04-15', 'openjdk version "25" 2025-09-16'])
def test_a_java_that_is_new_enough_is_taken(programs: Path, shown: str) -> None:
    install(programs, "java", f"echo '{shown}' >&2")
    require_java("Keycloak")


def test_a_tool_that_does_not_end_is_given_up() -> None:
    with pytest.raises(StackError, match="sleep was not done after 0 s"):
        run_tool("sleep", ["sleep", "30"], timeout_s=0.1)


def test_keycloak_without_maven_says_what_to_install(programs: Path, tmp_path: Path) -> None:
    assert not list(programs.iterdir())
    with pytest.raises(StackError, match="Keycloak is fetched by Maven the first time: install it"):
        keycloak.fetch_keycloak(tmp_path / "cache")


def test_keycloak_is_fetched_and_built_once(programs: Path, tmp_path: Path) -> None:
    install(programs, "mvn", UNPACK)
    install(programs, "java", "exit 0")
    kept = keycloak.fetch_keycloak(tmp_path / "cache")
    assert (kept / "lib").is_dir()
    # Maven's plugin unpacks an artifact once for each folder that it is run in, and keeps a note of that there.
    assert Path((kept.parent / "where").read_text().strip()).parent == kept.parent
    for program in ("mvn", "java"):
        (programs / program).unlink()
    assert keycloak.fetch_keycloak(tmp_path / "cache") == kept


def test_a_build_that_fails_leaves_nothing(programs: Path, tmp_path: Path) -> None:
    install(programs, "mvn", UNPACK)
    install(programs, "java", "echo 'no such option'; exit 2")
    with pytest.raises(StackError, match="kc build failed: no such option"):
        keycloak.fetch_keycloak(tmp_path / "cache")
    [folder] = (tmp_path / "cache").iterdir()
    assert [one.name for one in folder.iterdir()] == ["where"]


def test_realms_are_imported_once_and_again_when_they_change(programs: Path, tmp_path: Path) -> None:
    install(programs, "java", "exit 0")
    distribution = tmp_path / "distribution"
    (distribution / "lib").mkdir(parents=True)
    kept = keycloak._prepared_home(distribution, [{"realm": "shanghai"}])
    assert (kept / "lib").resolve() == distribution / "lib"
    install(programs, "java", "echo 'asked again'; exit 2")
    assert keycloak._prepared_home(distribution, [{"realm": "shanghai"}]) == kept
    with pytest.raises(StackError, match="kc import failed: asked again"):
        keycloak._prepared_home(distribution, [{"realm": "shanghai", "enabled": True}])
