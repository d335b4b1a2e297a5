"""Where the processor's time goes: by part of the federation, all processes of a part together (from /proc; Linux only)."""

import os
from collections.abc import Mapping
from pathlib import Path

from services.harness.bench.figures import Figures
from services.harness.bench.ground import DESTINATION, ORIGIN, Ground

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")
PPID, UTIME, STIME = 1, 11, 12  # fields of /proc/<pid>/stat behind the name in parentheses (proc(5)), from 0


class Profile:
    """Collects the time that the parts use while something is measured."""

    def __init__(self, ground: Ground) -> None:
        federation = ground.federation
        self._roots = {
            "node of the destination": _node(ground, DESTINATION),
            "node of the origin": _node(ground, ORIGIN),
            "PostgreSQL of the destination": federation.postgres[DESTINATION].pid,
            "PostgreSQL of the origin": federation.postgres[ORIGIN].pid,
            "Kafka": 0 if federation.kafka is None else federation.kafka.pid,
        }
        self._spent = dict.fromkeys(self._roots, 0.0)
        self._before: Mapping[str, float] = {}

    def __enter__(self) -> None:
        self._before = self._now()

    def __exit__(self, *_: object) -> None:
        for part, seconds in self._now().items():
            self._spent[part] += seconds - self._before[part]

    def tell(self, figures: Figures, what: str, *, count: int) -> None:
        """A figure for each part: its time for one of `count`."""
        for part, seconds in self._spent.items():
            figures.add(f"CPU of {what}, {part}", 1000 * seconds / count, "ms")

    def _now(self) -> dict[str, float]:
        """Seconds by part until now. A process that ends takes its time with it: pools keep theirs."""
        ticks: dict[int, int] = {}
        parents: dict[int, int] = {}
        for entry in PROC.glob("[0-9]*/stat"):
            try:
                fields = entry.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            pid = int(entry.parent.name)
            ticks[pid], parents[pid] = int(fields[UTIME]) + int(fields[STIME]), int(fields[PPID])
        return {
            part: sum(used for pid, used in ticks.items() if _is_below(pid, root, parents)) / TICKS_A_SECOND
            for part, root in self._roots.items()
        }


def _node(ground: Ground, bureau: str) -> int:
    process = ground.federation.nodes[bureau].process
    return 0 if process is None else process.pid


def _is_below(pid: int, root: int, parents: Mapping[int, int]) -> bool:
    while pid > 1 and pid != root:
        pid = parents.get(pid, 0)
    return pid == root and root > 1
