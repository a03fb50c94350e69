"""Event files, read back with TensorBoard's own reader and compared with the records of the run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stalefl_tensorboard.observer import TensorBoard, TensorBoardOptions
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from stalefl.cli import main
from stalefl.contracts import InputError
from stalefl.testing import OBSERVER_CHECKS, example_inputs, example_records, example_watched
from stalefl.testing.observers import example_state

QUICK = ["--set", "staleness.rounds=1", "--set", "staleness.late_clients=1", "--set", "partition.clients=6"]
QUICK += ["--set", "partition.samples_per_client=8", "--set", "method.options.iterations=3", "--jobs", "1", "-q"]
QUICK += ["--device", "cpu", "--set", "run.checkpoint_every_rounds=2"]
WATCHED = ["--observer", "tensorboard", "--set", "observers.options.tensorboard.pictures_every_rounds=2"]


def read(folder: Path) -> EventAccumulator:
    everything = dict.fromkeys(("scalars", "images", "histograms", "tensors"), 0)
    accumulator = EventAccumulator(str(folder), size_guidance=everything)
    accumulator.Reload()
    return accumulator


def curve(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(tag)]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("events.out.tfevents.*"))


def all_steps(folder: Path, tag: str) -> list[int]:
    """As they lie in the files, whatever a reader forgets."""
    events = [event for path in files(folder) for event in EventFileLoader(str(path)).Load()]
    return [event.step for event in events if any(value.tag == tag for value in event.summary.value)]


@pytest.fixture
def simulate(tmp_path: Path) -> Any:
    """Runs stalefl in a folder, which is given back."""

    def run(*options: str) -> Path:
        place = tmp_path / "run"
        if "--resume" in options:
            assert main(["simulate", "--resume", str(place), "-q", *options[1:]]) == 0
        else:
            assert main(["simulate", "--method", "inversion", *QUICK, *options, "--out", str(place)]) == 0
        return place

    return run


def records(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "rounds.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("check", OBSERVER_CHECKS, ids=lambda check: check.__name__)
def test_it_conforms(check: Any) -> None:
    check(TensorBoard, {"pictures_every_rounds": 1, "per_class": True})


def test_the_events_of_a_run_are_its_records(simulate: Any) -> None:
    run = simulate("--rounds", "4", "--oracle", "--set", "evaluation.every_rounds=2", *WATCHED)
    lines, events = records(run), run / "tensorboard"
    for tag, field in [("accuracy/overall", "accuracy"), ("accuracy/affected class", "affected_class_accuracy")]:
        assert curve(events, tag) == [(n, pytest.approx(lines[n - 1][field])) for n in (2, 4)]
    assert curve(events, "loss/test") == [(n, pytest.approx(lines[n - 1]["loss"])) for n in (2, 4)]
    for tag, field in [("seconds/server", "server_seconds"), ("updates/late", "stale_updates")]:
        assert curve(events, tag) == [(line["round"], pytest.approx(line[field])) for line in lines]
    late = [line for line in lines if line["estimate_error"]]
    assert curve(events, "relative L1 error/estimate") == [
        (line["round"], pytest.approx(line["estimate_error"]["l1"])) for line in late
    ]
    assert [line["round"] for line in late] == [2, 3, 4]


def test_settings_staleness_and_recovered_data_are_there(simulate: Any) -> None:
    run = simulate("--rounds", "4", *WATCHED)
    found = read(run / "tensorboard")
    (text,) = found.Tensors("settings/text_summary")
    assert 'dataset = "digits"' in text.tensor_proto.string_val[0].decode()
    session = found.PluginTagToContent("hparams")
    assert {"_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info"} == set(session)
    assert b"staleness.rounds" in session["_hparams_/session_start_info"]
    values = [(h.step, h.histogram_value) for h in found.Histograms("staleness of late updates, rounds")]
    assert [(step, value.num, value.sum) for step, value in values] == [(n, 1, 1) for n in (2, 3, 4)]
    client = records(run)[-1]["late_updates"][0]["client"]
    pictures = found.Images(f"D_rec/client {client}")
    assert [picture.step for picture in pictures] == [2, 4]
    assert all(picture.encoded_image_string.startswith(b"\x89PNG") for picture in pictures)


@pytest.mark.parametrize(("space", "drawn"), [("pixels", 1), ("signal", 1), ("tokens", 0), ("embedding", 0)])
def test_recovered_texts_are_left_out(space: Any, drawn: int, tmp_path: Path) -> None:
    watched = example_watched(tmp_path)
    observer = TensorBoard(TensorBoardOptions(pictures_every_rounds=1))
    observer.begin(replace(watched, input_spec=replace(watched.input_spec, space=space)))
    for record in example_records():
        observer.observe(record, example_state())
    assert len(read(tmp_path / "tensorboard").Tags()["images"]) == drawn


def test_a_run_that_goes_on_has_every_event_once(simulate: Any) -> None:
    run = simulate("--rounds", "3", *WATCHED)
    simulate("--resume", "--rounds", "5")
    events = run / "tensorboard"
    assert len(files(events)) == 1
    assert all_steps(events, "accuracy/overall") == [1, 2, 3, 4, 5]
    assert curve(events, "accuracy/overall") == [(n["round"], pytest.approx(n["accuracy"])) for n in records(run)]
    client = records(run)[-1]["late_updates"][0]["client"]
    assert all_steps(events, f"D_rec/client {client}") == [2, 4]
    assert all_steps(events, "settings/text_summary") == [0]
    assert all_steps(events, "_hparams_/session_end_info") == [0]


def test_a_run_observed_from_its_middle_on_has_all_its_curves(simulate: Any) -> None:
    run = simulate("--rounds", "3")
    simulate("--resume", "--rounds", "4", "--observer", "tensorboard")
    assert all_steps(run / "tensorboard", "accuracy/overall") == [1, 2, 3, 4]


def observe(folder: Path, done: int, seen: list[dict[str, Any]], **options: Any) -> Path:
    """A run that breaks off after the rounds ``seen``: no end is told of."""
    observer = TensorBoard(TensorBoardOptions(**options))
    observer.begin(example_watched(folder, example_records()[:done]))
    for record in seen:
        observer.observe(record, {"recovered": {2: {"inputs": example_inputs(count=2)}}})
    return folder / "tensorboard"


def test_rounds_that_come_again_after_a_crash_are_there_once(tmp_path: Path) -> None:
    first, second, third = example_records()
    observe(tmp_path, 0, [first, second, {**third, "server_seconds": 9.0}])
    events = observe(tmp_path, 1, [second, third])
    assert all_steps(events, "seconds/server") == [1, 2, 3]
    assert curve(events, "seconds/server") == [(1, 0.5), (2, 1.0), (3, 1.5)]


def test_a_file_that_was_cut_off_loses_nothing_but_pictures(tmp_path: Path) -> None:
    first, second, third = example_records()
    (path,) = files(observe(tmp_path, 0, [first, second]))
    path.write_bytes(path.read_bytes()[:-20])
    events = observe(tmp_path, 2, [third])
    assert curve(events, "seconds/server") == [(1, 0.5), (2, 1.0), (3, 1.5)]


def test_other_files_of_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard" / "notes.txt").write_text("mine")
    observe(tmp_path, 0, example_records())
    assert (tmp_path / "tensorboard" / "notes.txt").read_text() == "mine"


def test_a_stopped_run_has_not_ended(tmp_path: Path) -> None:
    observer = TensorBoard(TensorBoardOptions())
    observer.begin(example_watched(tmp_path))
    observer.end(None)
    assert "_hparams_/session_end_info" not in read(tmp_path / "tensorboard").PluginTagToContent("hparams")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("a file")
    with pytest.raises(InputError, match="cannot write .*tensorboard: .*; valid: a place that can be written"):
        TensorBoard(TensorBoardOptions()).begin(example_watched(tmp_path))


def test_tensorboard_is_not_imported_before_a_run_is_observed() -> None:
    code = (
        "import sys\nfrom stalefl.cli import main\nfrom stalefl.registry import load_registry\nmain(['--help'])\n"
        "assert 'tensorboard' in load_registry().names('observer')\n"
        "assert not {'tensorboard', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
