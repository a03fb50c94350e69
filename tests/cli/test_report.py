from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from stalefl.cli import main

SMALL = [
    *["--set", "partition.clients=10", "--set", "partition.samples_per_client=10", "--set", "staleness.late_clients=1"],
    *["--set", "staleness.rounds=1", "--set", "model.name=mlp", "--set", "model.options.hidden=[12]", "--jobs", "1"],
    *["--method", "unweighted", "--method", "weighted", "--rounds", "2", "-q"],
]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "comparison"
    assert main(["simulate", *SMALL, "--seeds", "2", "--oracle", "--out", str(place)]) == 0
    return place


def test_the_page_has_everything_and_leads_nowhere(comparison: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(comparison)]) == 0
    page = comparison / "report.html"
    assert capsys.readouterr().out == f"page: {page} (4 runs)\n"
    text = page.read_text()
    assert text.count("<h1>mlp on digits</h1>") == 1
    # Two curves, and who holds what; the delays are all the same.
    assert text.count('<img src="data:image/png;base64,') == text.count(" alt=") == 3
    assert "has the highest accuracy on class 5 from the first late update on" in text
    assert "2 seeds cannot say whether that is chance" in text
    assert "No update was rejected in any run." in text
    assert len(re.findall(r'<td class="text">(?:un)?weighted</td><td>0\.\d{3} ± ', text)) == 2
    assert "L1 error\nas it came" in text
    assert "L1 error\nestimated" not in text, "these methods estimate nothing"
    assert re.search(r'<td class="text">partition.clients</td><td class="wide">10</td>', text)
    assert '<td class="text">torch</td>' in text
    assert not re.search(r"https?://|<script|<link|src=\"(?!data:)|href=", text)


def test_runs_that_differ_stand_apart(comparison: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    assert main(["simulate", *SMALL, "--set", "training.lr=0.2", "--oracle", "--out", str(other)]) == 0
    page = tmp_path / "page.html"
    assert main(["report", str(comparison), str(other), "--out", str(page), "--json", "-q"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["settings"], len(document["runs"]), document["page"]) == (2, 6, str(page))
    text = page.read_text()
    assert "<h3>training.lr = 0.1</h3>" in text
    assert "<h3>training.lr = 0.2</h3>" in text
    # Two curves for each setting, and one partition, which both have.
    assert text.count("<img ") == 5
    assert '<th class="text">best method</th>' in text


def test_an_unfinished_run_is_said_to_be(comparison: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    source = comparison / "weighted" / "seed-0"
    (run / "config.toml").write_bytes((source / "config.toml").read_bytes())
    (run / "rounds.jsonl").write_bytes((source / "rounds.jsonl").read_bytes().splitlines(keepends=True)[0])
    assert main(["report", str(run), "-q"]) == 0
    assert f"{run} has not finished (1 of 2 rounds)" in (run / "report.html").read_text()


def test_a_page_is_overwritten_only_by_force_or_in_its_own_folder(
    comparison: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    assert main(["report", str(comparison), "--out", str(page), "-q"]) == 2
    assert f"error: {page} exists" in capsys.readouterr().err
    assert page.read_text() == "mine"
    assert main(["report", str(comparison), "--out", str(page), "-q", "--force"]) == 0
    assert main(["report", str(comparison), "-q"]) == main(["report", str(comparison), "-q"]) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Missing argument"),
        (["none"], "no run folder at or below none"),
        (["runs", "--out", "no/page.html"], "cannot write no/page.html"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str],
    says: str,
    comparison: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to(comparison)
    assert main(["report", "-q", *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_damaged_run_is_named(comparison: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.toml").write_text((comparison / "config.toml").read_text())
    (run / "rounds.jsonl").write_text("{}\n")
    assert main(["report", str(run), "-q"]) == 2
    assert "rounds.jsonl, line 1 is damaged" in capsys.readouterr().err
