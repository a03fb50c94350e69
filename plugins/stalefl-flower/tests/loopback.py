"""A real SuperLink and real SuperNodes on the loopback interface, in processes that end with the test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

APP = Path(__file__).parents[1] / "app"
HOST = "127.0.0.1"
CONNECTION = """
[superlink]
default = "loopback"

[superlink.loopback]
address = "{address}"
insecure = true
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@dataclass
class Loopback:
    """One SuperLink; every process in a group of its own, with its log in ``folder``."""

    folder: Path
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the user's, and nothing that would leave this machine."""
        own = {
            "FLWR_HOME": str(self.folder / "flwr"),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "OMP_NUM_THREADS": "1",
            # Flower starts its helpers by name.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        }
        return {**os.environ, **own}

    def start(self, name: str, *command: str) -> None:
        with self.log(name).open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def superlink(self) -> None:
        home = self.folder / "flwr"
        home.mkdir()
        (home / "config.toml").write_text(CONNECTION.format(address=f"{HOST}:{self.port}"))
        self.start(
            "superlink",
            "flower-superlink",
            "--insecure",
            "--disable-runtime-dependency-installation",
            "--port",
            str(self.port),
        )
        wait_until(lambda: is_open(self.port), 40, "the SuperLink listens")

    def supernode(self, name: str, node_config: str) -> None:
        link, port = f"{HOST}:{self.port}", str(free_port())
        self.start(
            name, "flower-supernode", "--insecure", "--superlink", link, "--port", port, "--node-config", node_config
        )

    def run(self, run_config: str, app: Path = APP) -> None:
        """``flwr run``, which gives the app to the SuperLink and streams the log until the run has ended."""
        copy = shutil.copytree(app, self.folder / "app", dirs_exist_ok=True)
        self.start("run", "flwr", "run", str(copy), "loopback", "--stream", "--run-config", run_config)

    def kill(self, name: str) -> None:
        """As a power cut would: no goodbye, helpers included."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].wait()

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{self.log(name).read_text(errors='replace')}" for name in self.processes)

    def close(self) -> None:
        """End every process that is left, its helpers included."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for process in self.processes.values():
                _signal_group(process.pid, sign)
            _wait_for_all(self.processes.values(), 5)


def _signal_group(group: int, sign: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, sign)


@contextmanager
def loopback(folder: Path) -> Iterator[Loopback]:
    """A SuperLink that listens."""
    federation = Loopback(folder)
    try:
        federation.superlink()
        yield federation
    finally:
        federation.close()


def _wait_for_all(processes: Iterable[subprocess.Popen[bytes]], seconds: float) -> None:
    end = time.monotonic() + seconds
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, end - time.monotonic()))


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Raises AssertionError if ``condition`` does not hold in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} seconds: {what}"
        time.sleep(0.1)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
