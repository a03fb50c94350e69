"""``stalefl evaluate``: how good the weights of a run, or of a file, are: overall, per class, confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import typer

from stalefl.cli import options as opt

if TYPE_CHECKING:
    from rich.table import Table
    from torch import Tensor

    from stalefl.config.schema import Experiment
    from stalefl.contracts import DataContext, Dataset, InputSpec
    from stalefl.run.parts import BuiltModel
    from stalefl.training.evaluation import Evaluation

WIDEST_MATRIX = 20


def evaluate_command(
    run: Annotated[Path | None, typer.Argument(help="Run folder; its settings and weights are used.")] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights (safetensors) to evaluate instead of a run's.", rich_help_panel=opt.EXPERIMENT),
    ] = None,
    model: opt.ModelOption = None,
    dataset: opt.DatasetOption = None,
    settings: opt.SettingsOption = None,
    affected_class: Annotated[
        int | None,
        typer.Option(help="The class reported apart, as staleness.affected_class.", rich_help_panel=opt.EXPERIMENT),
    ] = None,
    confusion_plot: Annotated[
        Path | None,
        typer.Option(help="Write a picture of the confusion matrix (png, pdf, svg).", rich_help_panel=opt.OUTPUT),
    ] = None,
    device: opt.DeviceOption = None,
    data_dir: opt.DataDirOption = None,
    download: opt.DownloadOption = False,
    json_output: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
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
    from stalefl.run.parts import build_model, load_dataset, load_drift_dataset
    from stalefl.training.evaluation import evaluate

    data = load_dataset(experiment, context)
    affected = experiment.staleness.affected_classes
    if max(affected) >= data.spec.classes:
        raise InputError(f"affected class {max(affected)}: {data.name} has classes 0 to {data.spec.classes - 1}")
    built = build_model(experiment, data.spec)
    trained, source = _of_run(built, run) if run else _of_file(built, cast(Path, weights))
    state = trained.model, trained.weights, trained.buffers
    figures = Figures(experiment.model.name, data, source, affected, evaluate(*state, data.test))
    drifted = load_drift_dataset(experiment, context, data)
    if drifted is None:
        return figures
    return figures._replace(drifted=drifted, drifted_evaluation=evaluate(*state, drifted.test))


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


class Trained(NamedTuple):
    """A model with weights and buffers that fit it, and the file that they are from."""

    model: BuiltModel
    source: Path


def _of_run(built: BuiltModel, run: Path) -> Trained:
    """The model with a finished run's weights, else with those of its last checkpoint."""
    from stalefl.contracts import InputError
    from stalefl.records.run_folder import RunFolder

    folder, size = RunFolder(run), built.model.layout.size
    if folder.weights.is_file():
        return _of_file(built, folder.weights)
    if not folder.checkpoint.is_file():
        raise InputError(f"{run} holds no weights yet; valid: a run that has reached a checkpoint")
    stored = folder.load_checkpoint()["simulation"]
    weights = stored["weights"]
    if weights.shape != (size,):
        raise InputError(f"{folder.checkpoint} has {weights.numel()} parameters; the model has {size}")
    return _trained(built, weights, stored["buffers"], folder.checkpoint)


def _of_file(built: BuiltModel, path: Path) -> Trained:
    """The model with the weights of a safetensors file."""
    from stalefl.contracts import InputError
    from stalefl.storage import load_weights

    named, layout = load_weights(path), built.model.layout
    weights = layout.from_named(named, str(path))
    for name in named:
        if name not in layout.names and name not in built.buffers:
            valid = ", ".join([*layout.names, *built.buffers])
            raise InputError(f"{path}: the model has no parameter or buffer '{name}'; valid: {valid}")
    return _trained(built, weights, named, path)


def _trained(built: BuiltModel, weights: Tensor, named: Mapping[str, Tensor], source: Path) -> Trained:
    """The model with ``weights`` [P] and the buffers in ``named``. Raises InputError for one that does not fit."""
    from stalefl.contracts import InputError

    device = built.model.device
    for name, buffer in built.buffers.items():
        found = tuple(named[name].shape) if name in named else "missing"
        if found != tuple(buffer.shape):
            raise InputError(f"{source}: buffer '{name}' is {found}; the model needs shape {tuple(buffer.shape)}")
    buffers = {name: named[name].to(device, buffer.dtype) for name, buffer in built.buffers.items()}
    return Trained(built.with_weights(weights.to(device), buffers), source)


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
