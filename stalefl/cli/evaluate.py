"""``stalefl evaluate``: how good the weights of a run, or of a file, are: overall, per class, confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import typer

from stalefl.cli.common import (
    EXPERIMENT,
    OUTPUT,
    DataDirOption,
    DatasetOption,
    DeviceOption,
    DownloadOption,
    JsonOption,
    ModelOption,
    QuietOption,
    SettingsOption,
    VerboseOption,
)

if TYPE_CHECKING:
    from rich.table import Table
    from torch import Tensor

    from stalefl.config.schema import Experiment
    from stalefl.contracts import DataContext, Dataset, InputSpec, Model
    from stalefl.training.evaluation import Evaluation

WIDEST_MATRIX = 20


def evaluate_command(
    run: Annotated[Path | None, typer.Argument(help="Run folder; its settings and weights are used.")] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights (safetensors) to evaluate instead of a run's.", rich_help_panel=EXPERIMENT),
    ] = None,
    model: ModelOption = None,
    dataset: DatasetOption = None,
    settings: SettingsOption = None,
    affected_class: Annotated[
        int | None,
        typer.Option(help="The class reported apart, as staleness.affected_class.", rich_help_panel=EXPERIMENT),
    ] = None,
    confusion_plot: Annotated[
        Path | None,
        typer.Option(help="Write a picture of the confusion matrix (png, pdf, svg).", rich_help_panel=OUTPUT),
    ] = None,
    device: DeviceOption = None,
    data_dir: DataDirOption = None,
    download: DownloadOption = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Evaluate weights on the test split, overall and per class.

    It prints the accuracies, that of the affected class apart, and the confusion matrix.

    Example: stalefl evaluate runs/late/inversion/seed-0
    """
    from stalefl.cli.common import print_json, set_up_logging
    from stalefl.data.place import data_context
    from stalefl.report.plots.curves import draw_confusion

    set_up_logging(quiet, verbose)
    flags: dict[str, dict[str, Any]] = {
        "data": {"dataset": dataset},
        "model": {"name": model},
        "staleness": {"affected_class": affected_class},
        "run": {"device": device},
    }
    figures = _evaluate(
        _experiment(run, weights, settings or [], flags), data_context(data_dir, download), run, weights
    )
    if confusion_plot is not None:
        title = f"{figures.model} on {figures.data.name}, accuracy {figures.evaluation.accuracy:.3f}"
        draw_confusion(figures.evaluation.confusion, confusion_plot, figures.data.spec.class_names, title)
    if json_output:
        print_json(_document(figures))
    elif not quiet:
        _print(figures)


class Figures(NamedTuple):
    """What was evaluated, on what, and how well it did."""

    model: str
    data: Dataset
    source: Path
    affected_classes: tuple[int, ...]
    evaluation: Evaluation
    drifted: Dataset | None = None
    """What the clients' data drift to, where they do."""
    drifted_evaluation: Evaluation | None = None


def _evaluate(experiment: Experiment, context: DataContext, run: Path | None, weights: Path | None) -> Figures:
    from stalefl.contracts import InputError
    from stalefl.data.adapt import adapted
    from stalefl.machine.devices import resolve_device
    from stalefl.registry import load_registry
    from stalefl.seeds import named_generator
    from stalefl.training.evaluation import evaluate
    from stalefl.training.model import build_flat_model

    registry = load_registry()
    data = registry.create("dataset", experiment.data.dataset, experiment.data.options).load(context)
    affected = experiment.staleness.affected_classes
    if max(affected) >= data.spec.classes:
        raise InputError(f"affected class {max(affected)}: {data.name} has classes 0 to {data.spec.classes - 1}")
    plugin = registry.create("model", experiment.model.name, experiment.model.options)
    generator = named_generator(experiment.run.seed, "initial-weights")
    model, _, buffers = build_flat_model(plugin, data.spec, generator, resolve_device(experiment.run.device))
    stored = _run_weights(model, buffers, run) if run else _file_weights(model, buffers, cast(Path, weights))
    evaluation = evaluate(model, stored.weights.to(model.device), stored.buffers, data.test)
    figures = Figures(experiment.model.name, data, stored.source, affected, evaluation)
    if not experiment.drift.dataset:
        return figures
    second = registry.create("dataset", experiment.drift.dataset, experiment.drift.options).load(context)
    second = adapted(second, data.spec, data.name)
    drifted = evaluate(model, stored.weights.to(model.device), stored.buffers, second.test)
    return figures._replace(drifted=second, drifted_evaluation=drifted)


def _experiment(
    run: Path | None, weights: Path | None, settings: list[str], flags: dict[str, dict[str, Any]]
) -> Experiment:
    from stalefl.config.loading import load_experiment
    from stalefl.contracts import InputError
    from stalefl.records.comparison_folder import ComparisonFolder
    from stalefl.records.run_folder import RunFolder

    if (run is None) == (weights is None):
        raise InputError("give a run folder or --weights FILE, one of the two")
    given = {table: {k: v for k, v in keys.items() if v is not None} for table, keys in flags.items()}
    given = {table: keys for table, keys in given.items() if keys}
    if run is None:
        return load_experiment(None, settings, given)
    if ComparisonFolder.is_one(run):
        runs = ", ".join(str(run / name) for name in ComparisonFolder(run).read_index()["runs"])
        raise InputError(f"{run} holds several runs; valid: {runs}")
    return load_experiment(RunFolder.open(run).config, settings, given)


class Weights(NamedTuple):
    """Weights [P] and buffers that fit the model, and the file they are from."""

    source: Path
    weights: Tensor
    buffers: Mapping[str, Tensor]


def _run_weights(model: Model, buffers: Mapping[str, Tensor], run: Path) -> Weights:
    """A finished run's weights, else those of its last checkpoint."""
    from stalefl.contracts import InputError
    from stalefl.records.run_folder import RunFolder

    folder = RunFolder(run)
    if folder.weights.is_file():
        return _file_weights(model, buffers, folder.weights)
    if not folder.checkpoint.is_file():
        raise InputError(f"{run} holds no weights yet; valid: a run that has reached a checkpoint")
    stored = folder.load_checkpoint()["simulation"]
    if stored["weights"].shape != (model.layout.size,):
        raise InputError(
            f"{folder.checkpoint} has {stored['weights'].numel()} parameters; the model has {model.layout.size}"
        )
    fitting = _fitting_buffers(model, buffers, stored["buffers"], folder.checkpoint)
    return Weights(folder.checkpoint, stored["weights"], fitting)


def _file_weights(model: Model, buffers: Mapping[str, Tensor], path: Path) -> Weights:
    from stalefl.contracts import InputError
    from stalefl.storage import load_weights

    named = load_weights(path)
    values = model.layout.from_named(named, str(path))
    for name in named:
        if name not in model.layout.names and name not in buffers:
            valid = ", ".join([*model.layout.names, *buffers])
            raise InputError(f"{path}: the model has no parameter or buffer '{name}'; valid: {valid}")
    return Weights(path, values, _fitting_buffers(model, buffers, named, path))


def _fitting_buffers(
    model: Model, buffers: Mapping[str, Tensor], named: Mapping[str, Tensor], path: Path
) -> Mapping[str, Tensor]:
    """The model's buffers with the values in ``named``. Raises InputError naming the first that does not fit."""
    from stalefl.contracts import InputError

    for name, buffer in buffers.items():
        found = tuple(named[name].shape) if name in named else "missing"
        if found != tuple(buffer.shape):
            raise InputError(f"{path}: buffer '{name}' is {found}; the model needs shape {tuple(buffer.shape)}")
    return {name: named[name].to(model.device, buffer.dtype) for name, buffer in buffers.items()}


def _document(figures: Figures) -> dict[str, Any]:
    from stalefl.records.round_record import accuracies

    evaluation, affected = figures.evaluation, figures.affected_classes
    document = {
        "schema": 1,
        "dataset": figures.data.name,
        "model": figures.model,
        "weights": str(figures.source),
        "accuracy": evaluation.accuracy,
        "affected_class": affected[0] if len(affected) == 1 else list(affected),
        "affected_class_accuracy": accuracies(evaluation, affected)["affected_class_accuracy"],
        "per_class_accuracy": evaluation.per_class_accuracy,
        "class_names": list(figures.data.spec.class_names),
        "confusion": evaluation.confusion.tolist(),
        "loss": evaluation.loss,
    }
    if figures.drifted is not None:
        document["drift"] = {"dataset": figures.drifted.name, **accuracies(figures.drifted_evaluation, affected)}
    return document


def _print(figures: Figures) -> None:
    from stalefl.cli.common import console
    from stalefl.records.metrics import affected_accuracy

    evaluation, affected = figures.evaluation, figures.affected_classes
    screen = console()
    samples = f"{len(figures.data.test)} test samples"
    screen.print(f"{figures.model} on {figures.data.name}, {samples}, weights of {figures.source}", soft_wrap=True)
    screen.print(_table(evaluation, figures.data.spec, affected))
    screen.print(f"accuracy: {evaluation.accuracy:.4f}")
    which = f"class{'es' * (len(affected) > 1)} ({', '.join(map(str, affected))})"
    of_affected = _text(affected_accuracy(evaluation.per_class_accuracy, affected), 4)
    screen.print(f"accuracy on the affected {which}: {of_affected}")
    screen.print(f"loss: {evaluation.loss:.4f}")
    if figures.drifted is not None and (drifted := figures.drifted_evaluation) is not None:
        of_affected = _text(affected_accuracy(drifted.per_class_accuracy, affected), 4)
        screen.print(
            f"on {figures.drifted.name}, to which the clients' data drift ({len(figures.drifted.test)} test samples): "
            f"accuracy {drifted.accuracy:.4f}, on the affected {which} {of_affected}",
            soft_wrap=True,
        )


def _table(evaluation: Evaluation, spec: InputSpec, affected_classes: Sequence[int]) -> Table:
    """One row per true class: its accuracy, and how many of its samples were taken for which class."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    shown = range(spec.classes if spec.classes <= WIDEST_MATRIX else 0)
    caption = "columns 0, 1, ...: predicted class" if shown else "the confusion matrix: --json or --confusion-plot"
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption=caption)
    table.add_column("true class", no_wrap=True)
    for header in ("accuracy", *map(str, shown)):
        table.add_column(header, justify="right")
    for true, accuracy in enumerate(evaluation.per_class_accuracy):
        name = spec.class_names[true] if spec.class_names else str(true)
        label = name if name == str(true) else f"{true} {name}"
        counts = (str(evaluation.confusion[true, predicted].item()) for predicted in shown)
        table.add_row(label, _text(accuracy, 3), *counts, style="bold" if true in affected_classes else None)
    return table


def _text(accuracy: float | None, digits: int) -> str:
    return "–" if accuracy is None else f"{accuracy:.{digits}f}"
