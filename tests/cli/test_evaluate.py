from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from typer.testing import CliRunner

from stalefl.cli.evaluate import evaluate_command
from stalefl.config.loading import load_experiment
from stalefl.contracts import DataContext, InputError
from stalefl.records.comparison_folder import ComparisonFolder
from stalefl.records.run_folder import RunFolder
from stalefl.run.execute import execute
from stalefl.run.setup import build_run
from stalefl.storage import load_weights, save_weights

SETTINGS = ["method.name=unweighted", "staleness.rounds=1", "run.rounds=3", "training.local_epochs=1"]
app = typer.Typer(rich_markup_mode=None)
app.command()(evaluate_command)


def evaluate(*arguments: object) -> str:
    """What the command prints on stdout. Raises what it raises."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def evaluate_json(*arguments: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(evaluate(*arguments, "--json"))
    return document


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = RunFolder.create(tmp_path_factory.mktemp("runs") / "run")
    execute(build_run(load_experiment(None, SETTINGS), DataContext(folder.path)), folder)
    return folder


def test_a_run_is_as_good_as_its_last_record_says(run: RunFolder) -> None:
    document = evaluate_json(run.path)
    last = run.read_rounds()[-1]
    for key in ("accuracy", "affected_class_accuracy", "per_class_accuracy", "loss"):
        assert document[key] == last[key]
    assert document["weights"] == str(run.weights)
    confusion = torch.tensor(document["confusion"])
    assert confusion.diagonal().sum() / confusion.sum() == pytest.approx(document["accuracy"])


def test_without_a_weights_file_the_checkpoint_is_used(run: RunFolder, tmp_path: Path) -> None:
    stopped = RunFolder.create(tmp_path / "stopped")
    stopped.write_config(run.config.read_text())
    with pytest.raises(InputError, match="holds no weights yet"):
        evaluate(stopped.path)
    stopped.checkpoint.write_bytes(run.checkpoint.read_bytes())
    document = evaluate_json(stopped.path)
    assert document["weights"] == str(stopped.checkpoint)
    assert document["confusion"] == evaluate_json(run.path)["confusion"]
    with pytest.raises(InputError, match=r"checkpoint.safetensors has \d+ parameters; the model has \d+"):
        evaluate(stopped.path, "--model", "mlp")


def test_a_weights_file_with_model_and_dataset(run: RunFolder) -> None:
    document = evaluate_json("--weights", run.weights, "--model", "cnn-digits", "--dataset", "digits")
    assert document["confusion"] == evaluate_json(run.path)["confusion"]


def test_the_affected_class_can_be_chosen(run: RunFolder) -> None:
    document = evaluate_json(run.path, "--affected-class", 2)
    assert document["affected_class"] == 2
    assert document["affected_class_accuracy"] == document["per_class_accuracy"][2]


def test_the_printed_table_has_every_class_and_the_figures(run: RunFolder) -> None:
    text = evaluate(run.path)
    document = evaluate_json(run.path)
    rows = [line.split() for line in text.splitlines()]
    for true, counts in enumerate(document["confusion"]):
        assert [str(count) for count in counts] in [row[-10:] for row in rows if row and row[0] == str(true)]
    assert f"accuracy: {document['accuracy']:.4f}" in text
    assert f"affected class (5): {document['affected_class_accuracy']:.4f}" in text
    assert evaluate(run.path, "--quiet") == ""


def test_the_confusion_plot_is_written(run: RunFolder, tmp_path: Path) -> None:
    evaluate(run.path, "--confusion-plot", tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_weights_that_do_not_fit_name_the_first_mismatch(run: RunFolder, tmp_path: Path) -> None:
    named = load_weights(run.weights)
    first = next(iter(build_run(load_experiment(run.config), DataContext(tmp_path)).simulation.model.layout.names))
    cases = {
        f"parameter '{first}' is missing": {k: v for k, v in named.items() if k != first},
        f"parameter '{first}' has shape (1,)": {**named, first: torch.ones(1)},
        "no parameter or buffer 'extra'": {**named, "extra": torch.ones(1)},
    }
    for message, weights in cases.items():
        save_weights(tmp_path / "w.safetensors", weights)
        with pytest.raises(InputError) as caught:
            evaluate("--weights", tmp_path / "w.safetensors")
        assert message in str(caught.value)


def test_batch_norm_buffers_belong_to_the_weights(tmp_path: Path) -> None:
    start = build_run(load_experiment(None, ["model.name=resnet18", "method.name=unweighted"]), DataContext(tmp_path))
    named = {**start.simulation.model.layout.to_named(start.start.weights), **start.start.buffers}
    buffer = next(name for name in named if name.endswith("running_mean"))
    path = tmp_path / "w.safetensors"
    save_weights(path, {**named, buffer: torch.full_like(named[buffer], float("nan"))})
    assert evaluate_json("--weights", path, "--model", "resnet18")["accuracy"] == 0
    save_weights(path, {name: value for name, value in named.items() if name != buffer})
    with pytest.raises(InputError, match=f"buffer '{buffer}' is missing; the model needs shape"):
        evaluate("--weights", path, "--model", "resnet18")


def test_diverged_weights_are_wrong_everywhere_and_their_loss_is_null(run: RunFolder, tmp_path: Path) -> None:
    named = {name: torch.full_like(value, float("nan")) for name, value in load_weights(run.weights).items()}
    save_weights(tmp_path / "w.safetensors", named)
    document = evaluate_json("--weights", tmp_path / "w.safetensors")
    assert (document["accuracy"], document["loss"]) == (0, None)


def test_bad_input_is_one_clear_line(run: RunFolder, tmp_path: Path) -> None:
    ComparisonFolder.create(tmp_path / "c", ["weighted"], [3])
    cases: dict[str, Sequence[object]] = {
        "a run folder or --weights": [],
        "one of the two": [run.path, "--weights", run.weights],
        "is not a run folder": [tmp_path],
        "valid: .*weighted/seed-3": [tmp_path / "c"],
        "weights file .* does not exist": ["--weights", tmp_path / "no"],
        "not safetensors": ["--weights", run.config],
        "digits has classes 0 to 9": [run.path, "--affected-class", 10],
        "unknown ending": [run.path, "--confusion-plot", tmp_path / "c.xyz"],
    }
    for message, arguments in cases.items():
        with pytest.raises(InputError, match=message) as caught:
            evaluate(*arguments)
        assert "\n" not in str(caught.value)
