"""Folders that version 0.1.0 wrote can be reported, evaluated, gone on with and inverted by today's version.

``stored/version-0.1.0`` holds a run, a comparison, a sweep, an audit and an inversion, without most pictures. Nothing
in it is ever written anew: folders of users are not either.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from stalefl.cli import main
from stalefl.storage import load_weights

STORED = Path(__file__).parent / "stored" / "version-0.1.0"
KINDS = ("run", "comparison", "sweep", "audit", "inversion")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    shutil.copytree(STORED, tmp_path / "old")
    return tmp_path / "old"


def figures(run: Path) -> list[dict[str, object]]:
    """The rounds of a run without what they took."""
    records = [json.loads(line) for line in (run / "rounds.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if not key.endswith("seconds")} for record in records]


def test_all_kinds_of_folders_are_there() -> None:
    assert sorted(path.name for path in STORED.iterdir()) == sorted(KINDS)


@pytest.mark.parametrize(("kind", "runs"), [("run", 1), ("comparison", 2), ("sweep", 4)])
def test_runs_are_reported(kind: str, runs: int, old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = old / kind / "report.html"
    assert main(["report", str(old / kind)]) == 0
    assert capsys.readouterr().out.startswith(f"page: {page} ({runs} run")
    assert "mlp on digits" in page.read_text()


def test_all_runs_are_reported_together(old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "all.html"
    assert main(["report", *(str(old / kind) for kind in ("run", "comparison", "sweep")), "--out", str(page)]) == 0
    assert capsys.readouterr().out.startswith(f"page: {page} (")


def test_a_run_is_evaluated_with_the_figures_of_its_result(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(old / "run"), "--json"]) == 0
    result = json.loads((old / "run" / "result.json").read_text())
    found = json.loads(capsys.readouterr().out)
    assert found["accuracy"] == pytest.approx(result["final"]["accuracy"], abs=1 / 397)


@pytest.mark.parametrize("run", ["run", "comparison/inversion/seed-0"])
def test_a_run_goes_on_as_if_it_had_never_ended(run: str, old: Path, tmp_path: Path) -> None:
    """The rounds that are there stay, and the model ends where that of a run of today ends."""
    before = figures(old / run)
    assert main(["simulate", "--resume", str(old / run), "--rounds", "8", "-q"]) == 0
    assert figures(old / run)[:6] == before
    config, fresh = str(old / run / "config.toml"), tmp_path / "fresh"
    assert main(["simulate", config, "--rounds", "8", "--out", str(fresh), "-q"]) == 0
    found, expected = (load_weights(place / "weights.safetensors") for place in (old / run, fresh))
    for name, weights in expected.items():
        assert found[name].numpy() == pytest.approx(weights.numpy(), abs=1e-4)


def test_a_comparison_goes_on(old: Path) -> None:
    assert main(["simulate", "--resume", str(old / "comparison"), "--rounds", "7", "--jobs", "1", "-q"]) == 0
    summary = json.loads((old / "comparison" / "summary.json").read_text())
    assert list(summary["methods"]) == ["unweighted", "inversion"]


def test_a_sweep_goes_on_with_the_runs_that_are_missing(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone, half = (old / "sweep" / "cells" / name / "seed-0" for name in cells(old))
    rounds = figures(half)
    shutil.rmtree(gone)
    (half / "result.json").unlink()
    assert main(["sweep", "--resume", str(old / "sweep"), "--jobs", "1", "--json", "-q"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert len(runs) == 4
    assert all(run["error"] is None for run in runs)
    assert figures(half) == rounds


def cells(old: Path) -> list[str]:
    """The first and the last of the sweep's cells."""
    names = sorted(path.name for path in (old / "sweep" / "cells").iterdir())
    return [names[0], names[-1]]


def test_an_audit_goes_on_and_finds_what_it_found(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit = old / "audit"
    before = json.loads((audit / "result.json").read_text())
    (audit / "result.json").unlink()
    (audit / "attempts" / "dlg" / "none" / "case-1-0.safetensors").unlink()
    assert main(["privacy-audit", "--resume", str(audit), "--jobs", "1", "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() == before.keys()
    assert found["verdict"] == before["verdict"]


def test_an_inversion_beside_a_run_is_on_its_page(old: Path) -> None:
    shutil.move(old / "inversion", old / "run" / "inversion")
    assert main(["report", str(old / "run")]) == 0
    assert "inversion: D_rec of client 5, round 5" in (old / "run" / "report.html").read_text()


def test_an_update_of_an_old_run_is_inverted(old: Path, tmp_path: Path) -> None:
    source = ["--run", str(old / "run"), "--client", "5", "--round", "5", "--no-surface"]
    options = ["--set", "method.options.size=4", "--set", "method.options.iterations=4"]
    out = tmp_path / "inversion"
    assert main(["invert", *source, *options, "--out", str(out), "-q"]) == 0
    found, before = (json.loads((place / "result.json").read_text()) for place in (out, old / "inversion"))
    assert found.keys() == before.keys()
    assert found["last_loss"] == pytest.approx(before["last_loss"], rel=1e-2)
