"""`make test`: every ring that this machine can run, one after the other, and at the end what did not run and what to install.

With CI=true a ring that cannot run is a failure.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WORKERS = os.environ.get("WORKERS", "2")
RING_LIMIT_SECONDS = 30 * 60


def missing_java() -> str | None:
    """What to install before Apache Kafka and Keycloak can run here; None when nothing is missing."""
    absent = [name for name in ("java", "mvn") if shutil.which(name) is None]
    return None if not absent else f"{' and '.join(absent)} not found: install Java 17 (or newer) and Maven"


def missing_browser() -> str | None:
    """What to install before pages can be looked at here; None when nothing is missing."""
    return None if shutil.which("chromium") else "chromium not found: install chromium, fonts-noto-cjk, fonts-hanazono"


@dataclass(frozen=True)
class Ring:
    name: str
    arguments: Sequence[str]
    missing: Callable[[], str | None] = lambda: None


RINGS = (
    Ring("unit", ["tests/unit", "-n", WORKERS]),
    Ring("model", ["tests/model", "-n", WORKERS]),
    Ring("node", ["tests/node", "-n", WORKERS]),
    Ring("federation", ["tests/federation", "tests/bus", "-m", "not kafka", "-n", WORKERS]),
    Ring("stepper", ["tests/stepper", "-n", WORKERS]),
    Ring("fuzz", ["tests/fuzz", "-n", WORKERS]),
    Ring("browser", ["tests/browser"], missing_browser),
    Ring("real", ["tests/real", "tests/bus/test_bus.py"], missing_java),
)


def main(names: Sequence[str]) -> int:
    """Run the named rings, or all; 0 when everything that had to run has passed."""
    unknown = set(names) - {ring.name for ring in RINGS}
    if unknown:
        print(f"no such ring: {', '.join(sorted(unknown))}; there are {', '.join(ring.name for ring in RINGS)}")
        return 2
    report, failed = [], False
    for ring in RINGS:
        if names and ring.name not in names:
            continue
        reason = ring.missing()
        if reason is not None:
            failed |= os.environ.get("CI") == "true"
            report.append(f"  {ring.name:11} did not run: {reason}")
            continue
        print(f"--- {ring.name} ---", flush=True)
        started = time.monotonic()
        code = subprocess.run([sys.executable, "-m", "pytest", *ring.arguments], timeout=RING_LIMIT_SECONDS).returncode
        failed |= code != 0
        report.append(f"  {ring.name:11} {'passed' if code == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s")
    print("--- rings ---", *report, sep="\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
