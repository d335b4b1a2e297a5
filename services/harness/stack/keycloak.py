"""Keycloak for one machine, with the delivery's realms: the distribution by Maven, run as our own child, for tests.

What takes long is done once and kept below the home folder: the build of the distribution, and a database with the realms in it.
"""

import hashlib
import json
import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from services.harness.stack.java import CACHE, HASH_DIGITS, fetch_by_maven, keep, require_java, run_tool
from services.harness.stack.ports import free_ports
from services.harness.stack.process import FolderServer, ServerProcess

DELIVERED = Path(__file__).parents[3] / "deploy" / "keycloak"
NAME = "Keycloak"
VERSION = "26.7.3"
ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
BUILD_TIMEOUT_S = 180.0
IMPORT_TIMEOUT_S = 240.0  # makes 90 tables, and four realms with their keys
READY_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 2.0

# As bin/kc.sh starts it, but as our own child, with a small heap and the fast compiler: ready in a third of the time.
JAVA_FLAGS = (
    *("-Xms64m", "-Xmx384m", "-XX:MaxMetaspaceSize=256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    *("-Dfile.encoding=UTF-8", "-Duser.language=en", "-Duser.country=US"),
    *(f"--add-opens=java.base/java.{part}=ALL-UNNAMED" for part in ("util", "util.concurrent", "security", "lang")),
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    "-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
)
MAIN = "io.quarkus.bootstrap.runner.QuarkusEntryPoint"

Realm = Mapping[str, Any]
"""A realm as Keycloak imports it, like `deploy/keycloak/<bureau>.json`."""


def delivered_realm(bureau: str) -> dict[str, Any]:
    """The realm as it is delivered: without users."""
    read: dict[str, Any] = json.loads((DELIVERED / f"{bureau}.json").read_text())
    return read


class KeycloakServer(FolderServer):
    """One Keycloak in `folder` with `realms` and without an administrator of them all; its port is chosen once, then kept.

    `cache` keeps the distribution and the prepared database for every later run (default: below the home folder).
    """

    def __init__(self, folder: Path, realms: Sequence[Realm], *, cache: Path | None = None) -> None:
        process = ServerProcess(NAME, log=folder / "keycloak.log", pid_file=folder / "keycloak.pid")
        super().__init__(folder, process, stop_signal=signal.SIGTERM, stop_timeout_s=STOP_TIMEOUT_S)
        self.port = 0
        self._realms = realms
        self._cache = cache or Path.home() / CACHE
        self._home = folder / "home"

    def issuer(self, realm: str) -> str:
        return f"http://127.0.0.1:{self.port}/realms/{realm}"

    def start(self) -> None:
        """Prepare what is missing, start, return when every realm answers. StackError says why not."""
        require_java(NAME)
        self._lock.take()
        try:
            self._end_leftover()
            distribution = fetch_keycloak(self._cache)
            if not self._home.exists():
                shutil.copytree(_prepared_home(distribution, self._realms), self._home, symlinks=True)
            if not self.port:
                (self.port,) = free_ports(1)
            self._launch(distribution)
        except BaseException:
            self.stop()
            raise

    def restart(self) -> None:
        """Start again on the same port and data after `kill9`, or stop and start."""
        self._end()
        self._launch(fetch_keycloak(self._cache))

    def _launch(self, distribution: Path) -> None:
        listening = ("--http-enabled=true", "--http-host=127.0.0.1", f"--http-port={self.port}")
        words = ("start", "--optimized", "--hostname-strict=false", "--cache=local", *listening)
        self._process.launch(_command(distribution, self._home, *words))
        self._process.wait_ready(self._is_ready, timeout_s=READY_TIMEOUT_S)

    def _is_ready(self) -> bool:
        try:
            for realm in self._realms:
                address = f"{self.issuer(realm['realm'])}/.well-known/openid-configuration"
                with urlopen(address, timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310  our own server
                    if answer.status != 200:
                        return False
        except (URLError, OSError):
            return False
        return True

    def _end_leftover(self) -> None:
        self._process.kill_leftover(str(self._home))


def fetch_keycloak(cache: Path) -> Path:
    """The built distribution below `cache`, by Maven the first time (177 MB, half a minute)."""
    kept = cache / f"keycloak-{VERSION}" / "distribution"
    if kept.is_dir():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        goal = ["dependency:unpack", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={Path(scratch).absolute()}"]
        fetch_by_maven(NAME, goal, folder=Path(scratch))  # elsewhere a note of its would keep it from unpacking again
        unpacked = Path(scratch) / f"keycloak-{VERSION}"
        run_tool("kc build", _command(unpacked, unpacked, "build", "--db=dev-file"), timeout_s=BUILD_TIMEOUT_S)
        keep(unpacked, kept)
    return kept


def _prepared_home(distribution: Path, realms: Sequence[Realm]) -> Path:
    """A home folder whose database holds the realms, beside the distribution; made the first time for these very realms."""
    texts = {realm["realm"]: json.dumps(realm, ensure_ascii=False, sort_keys=True) for realm in realms}
    digest = hashlib.sha256("\n".join(texts.values()).encode()).hexdigest()[:HASH_DIGITS]
    kept = distribution.parent / f"realms-{digest}"
    if kept.is_dir():
        return kept
    with tempfile.TemporaryDirectory(dir=distribution.parent) as scratch:
        home, files = Path(scratch) / "home", Path(scratch) / "realms"
        for folder in (files, home / "conf", home / "data"):
            folder.mkdir(parents=True)
        (home / "lib").symlink_to(distribution / "lib")  # it looks there whether it was built
        for name, text in texts.items():
            (files / f"{name}-realm.json").write_text(text)
        command = _command(distribution, home, "import", "--optimized", f"--dir={files}")
        run_tool("kc import", command, timeout_s=IMPORT_TIMEOUT_S)
        keep(home, kept)
    return kept


def _command(distribution: Path, home: Path, *words: str) -> list[str]:
    """Code from the distribution, which stays as it was built; data and log in `home`."""
    places = (f"-Dkc.home.dir={home}", f"-Djboss.server.config.dir={home / 'conf'}")
    return ["java", *JAVA_FLAGS, *places, "-cp", str(distribution / "lib" / "quarkus-run.jar"), MAIN, *words]
