"""Federations of real processes on the loopback interface. Each takes most of a minute, nearly all of it Flower's own
polling and process starts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback, loopback, wait_until

from stalefl.data.trace import read_trace
from stalefl.records.run_folder import RunFolder

MOST_SECONDS = 400
"""A training takes three seconds of processor time, most of it imports; on a machine at work on much else a minute."""


def events(out: Path) -> list[dict[str, Any]]:
    file = out / "federation.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def has(out: Path, event: str, **facts: Any) -> bool:
    return any(facts.items() <= found.items() for found in events(out) if found["event"] == event)


def has_ended(federation: Loopback) -> bool:
    return federation.processes["run"].poll() is not None


def stalefl(*command: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "stalefl", *command], cwd=folder, capture_output=True, text=True, timeout=MOST_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def finished(federation: Loopback, out: Path) -> RunFolder:
    wait_until(lambda: has_ended(federation), MOST_SECONDS, "flwr run has ended")
    assert (out / "result.json").exists(), federation.logs()
    return RunFolder.open(out)


def test_a_slow_node_is_late_compensated_and_recorded(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with loopback(tmp_path) as federation:
        federation.supernode("node-0", "partition-id=0")
        federation.supernode("node-1", "partition-id=1")
        federation.supernode("node-2", "partition-id=2 delay-seconds=12")
        settings = "method.name=inversion; method.options.iterations=20; run.rounds=3"
        own = f'federation.out="{out}" federation.replies=2 federation.clients_to_start=3 federation.export="late"'
        federation.run(f'set="{settings}" {own}')
        folder = finished(federation, out)

    rounds = folder.read_rounds()
    assert [record["round"] for record in rounds] == [1, 2, 3]
    late = [update for record in rounds for update in record["late_updates"]]
    assert 2 in {update["client"] for update in late}, events(out)
    assert all(update["staleness_rounds"] >= 1 for update in late)

    # The simulator, given the same arrivals, gives the same model, bit for bit.
    stalefl("simulate", str(folder.config), "--out", "again", "-q", folder=tmp_path)
    assert (tmp_path / "again" / "weights.safetensors").read_bytes() == folder.weights.read_bytes()

    # Its folder and its exported updates are read by the other commands.
    assert "accuracy" in stalefl("evaluate", str(out), folder=tmp_path)
    exported = sorted((out / "updates").iterdir())
    assert len(exported) == sum(record["stale_updates"] for record in rounds)


def test_finishes_with_a_node_killed_mid_round_and_one_that_joins_late(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with loopback(tmp_path) as federation:
        for client in (0, 1, 2):
            federation.supernode(f"node-{client}", f"partition-id={client}")
        own = f'federation.out="{out}" federation.replies=2 federation.clients_to_start=3'
        federation.run(f'{own} partition.clients=4 run.rounds=5 partition.kind="iid"')
        wait_until(lambda: has(out, "sent", client=1), MOST_SECONDS, "client 1 is at work")
        federation.kill("node-1")
        federation.supernode("node-3", "partition-id=3")
        folder = finished(federation, out)

    records = folder.read_rounds()
    assert [record["round"] for record in records] == [1, 2, 3, 4, 5]
    assert all(1 not in record["participants"] for record in records)
    assert 3 not in records[0]["participants"]
    assert any(3 in record["participants"] for record in records), events(out)
    trace = read_trace(out / "arrivals.csv", clients=4)
    # Its work is under way to the end, or given up once Flower has noticed, a minute later.
    assert [row.arrived_round for row in trace if row.client == 1] == [6], "after the last round"


def test_a_bad_run_config_fails_with_one_clear_line(tmp_path: Path) -> None:
    with loopback(tmp_path) as federation:
        federation.run('federation.out="run" set="method.name=wieghted"')
        wait_until(lambda: has_ended(federation), MOST_SECONDS, "flwr run has ended")
        log = federation.log("run").read_text()
    assert 'error: unknown method "wieghted"; did you mean "weighted"?' in log
    assert not (tmp_path / "run").exists()


@pytest.fixture(autouse=True)
def _logs_of_failed_tests(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        for log in sorted(tmp_path.glob("*.log")):
            print(f"--- {log.name}\n{log.read_text(errors='replace')[-6000:]}")
