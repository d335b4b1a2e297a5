"""Prometheus for one machine, with the delivery's rules: Debian's program, as our own child, for tests."""

import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from services.harness.stack.errors import StackError
from services.harness.stack.ports import free_ports
from services.harness.stack.process import FolderServer, ServerProcess
from shared.identifiers.texts import N_

DELIVERED = Path(__file__).parents[3] / "deploy" / "prometheus"
READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 2.0
TOOL_TIMEOUT_S = 60.0
SCRAPE_INTERVAL_S = 1


def require_prometheus() -> None:
    """StackError when `prometheus` or `promtool` is missing."""
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            raise StackError(N_("{program} is missing: install it (for example: apt install prometheus)"), program=program)


def promtool(*words: str, folder: Path = DELIVERED) -> str:
    """What `promtool words…` says in `folder`; StackError when it refuses."""
    command = ["promtool", *words]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=TOOL_TIMEOUT_S)
    if done.returncode != 0:
        raise StackError(N_("{program} failed: {output}"), program="promtool", output=(done.stdout + done.stderr).strip())
    return done.stdout + done.stderr


class PrometheusServer(FolderServer):
    """One Prometheus in `folder` that scrapes `targets` (bureau -> host:port) each second, with the delivery's alert rules."""

    def __init__(self, folder: Path, targets: Mapping[str, str]) -> None:
        super().__init__(
            folder,
            ServerProcess("Prometheus", log=folder / "prometheus.log", pid_file=folder / "prometheus.pid"),
            stop_signal=signal.SIGTERM,
            stop_timeout_s=STOP_TIMEOUT_S,
        )
        self._targets = targets
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it answers. StackError says why not."""
        require_prometheus()
        self._lock.take()
        try:
            (self.port,) = free_ports(1)
            config = self.folder / "prometheus.yml"
            config.write_text(self._config())
            options = {"config.file": config, "storage.tsdb.path": self.folder / "data"}
            words = [f"--{name}={value}" for name, value in options.items()]
            self._process.launch(["prometheus", *words, f"--web.listen-address=127.0.0.1:{self.port}"])
            self._process.wait_ready(self._is_ready, timeout_s=READY_TIMEOUT_S)
        except BaseException:
            self.stop()
            raise

    def _config(self) -> str:
        """As delivered, but for what this machine is: its targets, and a second instead of a quarter of a minute."""
        lines = [f"global: {{scrape_interval: {SCRAPE_INTERVAL_S}s, evaluation_interval: {SCRAPE_INTERVAL_S}s}}"]
        lines += [f"rule_files: ['{DELIVERED / 'alerts.yml'}']", "scrape_configs:", "- job_name: quanyu", "  static_configs:"]
        lines += [f"  - {{targets: ['{at}'], labels: {{bureau: {bureau}}}}}" for bureau, at in self._targets.items()]
        return "\n".join(lines) + "\n"

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/-/ready", timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310  our own server
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def _end_leftover(self) -> None:
        self._process.kill_leftover(str(self.folder / "prometheus.yml"))
