"""``stalefl partition``: divide the data among clients, choose the late ones, show and store it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from stalefl.cli import options as opt

if TYPE_CHECKING:
    from stalefl.config.schema import Experiment
    from stalefl.contracts import DataContext, Dataset
    from stalefl.data.partition import Indices


def partition_command(
    dataset: opt.DatasetOption = None,
    clients: Annotated[
        int | None, typer.Option(help="Number of clients, as partition.clients.", rich_help_panel=opt.EXPERIMENT)
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--partition",
            metavar="KIND",
            help="dirichlet, iid, shards or one-class, as partition.kind.",
            rich_help_panel=opt.EXPERIMENT,
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            help="Dirichlet concentration, as partition.alpha; implies dirichlet.", rich_help_panel=opt.EXPERIMENT
        ),
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(
            metavar="SIZES",
            help="Client sizes, equal or natural, as partition.sizes; implies dirichlet.",
            rich_help_panel=opt.EXPERIMENT,
        ),
    ] = None,
    samples_per_client: Annotated[
        int | None,
        typer.Option(
            help="Samples each client gets, as partition.samples_per_client; 0 = all there are.",
            rich_help_panel=opt.EXPERIMENT,
        ),
    ] = None,
    affected_class: Annotated[
        int | None,
        typer.Option(
            help="The class whose holders are late, as staleness.affected_class.", rich_help_panel=opt.EXPERIMENT
        ),
    ] = None,
    late_clients: Annotated[
        int | None,
        typer.Option(help="How many clients are late, as staleness.late_clients.", rich_help_panel=opt.EXPERIMENT),
    ] = None,
    stale_clients: Annotated[
        int | None, typer.Option(help="The former name of --late-clients, as staleness.late_clients.", hidden=True)
    ] = None,
    settings: opt.SettingsOption = None,
    seed: opt.SeedOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Store the partition here (safetensors).", rich_help_panel=opt.OUTPUT)
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw it, as the paper's Figure 7 (png, pdf, svg).", rich_help_panel=opt.OUTPUT),
    ] = None,
    force: opt.ForceOption = False,
    data_dir: opt.DataDirOption = None,
    download: opt.DownloadOption = False,
    json_output: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Divide a data set among clients and choose the late ones.

    It shows both, as `simulate` draws them from the same settings and seed.

    Example: stalefl partition --clients 40 --alpha 0.1 --affected-class 5 --late-clients 4 --out part.safetensors
    """
    from stalefl.cli.common import given_only, print_json, set_up_logging
    from stalefl.config.loading import load_experiment
    from stalefl.data.place import data_context
    from stalefl.records.owned_folder import check_file_free

    set_up_logging(quiet, verbose)
    flags: dict[str, dict[str, Any]] = {
        "data": {"dataset": dataset},
        "partition": {
            "kind": _kind(kind, alpha, sizes, settings or []),
            "clients": clients,
            "alpha": alpha,
            "sizes": sizes,
            "samples_per_client": samples_per_client,
        },
        "staleness": {
            "affected_class": affected_class,
            "late_clients": stale_clients if late_clients is None else late_clients,
        },
        "run": {"seed": seed},
    }
    experiment = load_experiment(None, settings or [], given_only(flags))
    for file in filter(None, (out, plot)):
        check_file_free(file, force)
    division = _divided(experiment, data_context(data_dir, download), out)
    if plot:
        _draw(division, plot)
    if json_output:
        print_json(_document(division, out, plot))
    elif not quiet:
        _print(division, out, plot)


# --- dividing -------------------------------------------------------------------------------------------------------


class Division(NamedTuple):
    """A data set divided among clients, of which some are late; ``counts`` [clients, classes] of their samples."""

    data: Dataset
    experiment: Experiment
    counts: Indices
    late_clients: tuple[int, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.data.spec.class_names or tuple(str(label) for label in range(self.data.spec.classes))

    @property
    def affected_classes(self) -> tuple[int, ...]:
        return self.experiment.staleness.affected_classes

    @property
    def title(self) -> str:
        spec = self.experiment.partition
        if spec.file:
            how = f"as in {Path(spec.file).name}"
        elif spec.kind == "dirichlet":
            how = f"Dirichlet({spec.alpha:g}), {spec.sizes} sizes"
        else:
            how = spec.kind
        return f"{self.data.name}: {len(self.counts)} clients, {how}"

    @property
    def late_share(self) -> float:
        """The late clients' share of the affected classes' samples, from 0 to 1."""
        held = self.counts[:, self.affected_classes].sum(axis=1)
        return float(held[list(self.late_clients)].sum() / max(1, held.sum()))


def _divided(experiment: Experiment, context: DataContext, out: Path | None) -> Division:
    """The data set of an experiment, divided as a run does it; the partition is stored in ``out``, if that is given."""
    from stalefl.data.partition import class_counts
    from stalefl.data.partition_file import save_partition
    from stalefl.data.setup import partition_meta, prepare_partition, train_labels
    from stalefl.run.parts import load_dataset

    data = load_dataset(experiment, context)
    choices = (experiment.partition, experiment.staleness, experiment.run.seed)
    partition, late_clients = prepare_partition(data, *choices)
    if out:
        save_partition(out, partition, late_clients, partition_meta(data, *choices))
    return Division(data, experiment, class_counts(partition, train_labels(data), data.spec.classes), late_clients)


def _draw(division: Division, path: Path) -> None:
    from stalefl.report.plots.partition import draw_partition_plot

    names, affected = division.class_names, division.affected_classes
    draw_partition_plot(division.counts, division.late_clients, names, affected, path, division.title)


def _kind(kind: str | None, alpha: float | None, sizes: str | None, settings: list[str]) -> str | None:
    """--alpha and --sizes say "dirichlet"; with another kind they would be ignored, and that is an error."""
    from stalefl.contracts import InputError

    flag = "--alpha" if alpha is not None else "--sizes" if sizes is not None else None
    if flag is None or kind == "dirichlet" or any(text.strip().startswith("partition.kind") for text in settings):
        return kind
    if kind is not None:
        raise InputError(f"{flag} belongs to --partition dirichlet; it means nothing to --partition {kind}")
    return "dirichlet"


# --- what is printed ------------------------------------------------------------------------------------------------


def _document(division: Division, out: Path | None, plot: Path | None) -> dict[str, Any]:
    data, experiment, counts, late_clients = division
    staleness = experiment.staleness
    return {
        "schema": 1,
        "dataset": data.name,
        "seed": experiment.run.seed,
        "partition": experiment.partition.model_dump(mode="json"),
        "clients": len(counts),
        "classes": data.spec.classes,
        "class_names": list(division.class_names),
        "samples": int(counts.sum()),
        "sizes": counts.sum(axis=1).tolist(),
        "counts": counts.tolist(),
        "affected_class": staleness.model_dump(mode="json")["affected_class"],
        "late_clients": list(late_clients),
        "late_share_of_affected_class": division.late_share,
        "staleness": staleness.model_dump(mode="json"),
        "delays_rounds": _delays_by_client(experiment, late_clients),
        "out": str(out) if out else None,
        "plot": str(plot) if plot else None,
    }


def _print(division: Division, out: Path | None, plot: Path | None) -> None:
    from stalefl.cli.common import console
    from stalefl.report.tables.partition import partition_table

    screen = console()
    names, affected = division.class_names, division.affected_classes
    screen.print(partition_table(division.counts, division.late_clients, names, affected, division.title))
    screen.print(_summary(division), soft_wrap=True)
    if division.late_clients:
        screen.print(f"late by: {_delays(division.experiment, division.late_clients)}", soft_wrap=True)
    for label, path in (("partition", out), ("picture", plot)):
        if path:
            screen.print(f"{label}: {path}", soft_wrap=True)


def _summary(division: Division) -> str:
    from stalefl.formatting import class_words

    if not division.late_clients:
        return "no client is late"
    late, of_affected = division.late_clients, division.counts[:, division.affected_classes].sum(axis=1)
    classes = class_words(division.affected_classes, division.class_names)
    held = f"{of_affected[list(late)].sum()} of {of_affected.sum()} samples of {classes}"
    return f"late clients: {', '.join(map(str, late))}; they hold {held} ({division.late_share:.0%})"


def _delays(experiment: Experiment, late_clients: tuple[int, ...]) -> str:
    """The schedule in words and, where each client has one delay that was drawn, these."""
    from stalefl.simulation.delays import delay_words

    words, drawn = delay_words(experiment.staleness), _delays_by_client(experiment, late_clients)
    if not drawn or experiment.staleness.schedule == "constant":
        return words
    return f"{words}: " + ", ".join(f"client {client} by {delay}" for client, delay in drawn.items())


def _delays_by_client(experiment: Experiment, late_clients: tuple[int, ...]) -> dict[str, int] | None:
    """The delay in rounds of each late client; None where its updates differ in delay."""
    from stalefl.simulation.delays import client_delays

    spec = experiment.staleness
    if spec.schedule == "trace" or (spec.schedule != "constant" and spec.redraw == "per-job"):
        return None
    return {str(client): delay for client, delay in client_delays(spec, late_clients, experiment.run.seed).items()}
