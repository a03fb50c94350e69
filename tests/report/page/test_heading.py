from __future__ import annotations

from pathlib import Path

from stalefl.records.run_groups import read_run_groups
from stalefl.report.page.heading import heading_section
from tests.report.stored_runs import finished


def test_what_the_runs_are_of_and_how_many_there_are(tmp_path: Path) -> None:
    finished(tmp_path / "a", "weighted", 0)
    finished(tmp_path / "b", "weighted", 1)
    finished(tmp_path / "c", "weighted", 0, data={"dataset": "pendigits"})
    heading = heading_section(read_run_groups([tmp_path]))
    assert heading["title"] == "cnn-digits on digits, pendigits"
    assert heading["subtitle"] == "3 runs, 2 settings, 1 method, 2 seeds"
    assert heading["cautions"] == []


def test_seconds_of_several_devices_are_not_compared(tmp_path: Path) -> None:
    finished(tmp_path / "a", "weighted", 0)
    finished(tmp_path / "b", "unweighted", 0, environment={"device": "a GPU"})
    assert heading_section(read_run_groups([tmp_path]))["cautions"] == [
        "The runs were made on several devices (cpu, a GPU): their seconds cannot be compared."
    ]


def test_of_many_unfinished_runs_some_are_named(tmp_path: Path) -> None:
    for seed in range(5):
        finished(tmp_path / f"{seed}", "weighted", seed).result.unlink()
    *named, further = heading_section(read_run_groups([tmp_path]))["cautions"]
    assert [text.partition(" has not finished ")[2][:19] for text in named] == ["(2 of 2 rounds); it"] * 3
    assert further == "Nor have 2 more."
