"""``stalefl partition``: divide the data among clients, choose the late ones, show and store it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stalefl.cli.common import (
    EXPERIMENT,
    OUTPUT,
    DataDirOption,
    DatasetOption,
    DownloadOption,
    ForceOption,
    JsonOption,
    QuietOption,
    SeedOption,
    SettingsOption,
    VerboseOption,
)

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from stalefl.config.schema import Experiment, PartitionTable
    from stalefl.contracts import Dataset
    from stalefl.data.partition import Indices

ROWS_SHOWN = 50
CLASS_COLUMNS_SHOWN = 16
WIDEST_NAME = 12
LATE_STYLE = "bold red"


def partition_command(
    dataset: DatasetOption = None,
    clients: Annotated[
        int | None, typer.Option(help="Number of clients, as partition.clients.", rich_help_panel=EXPERIMENT)
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--partition",
            metavar="KIND",
            help="dirichlet, iid, shards or one-class, as partition.kind.",
            rich_help_panel=EXPERIMENT,
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            help="Dirichlet concentration, as partition.alpha; implies dirichlet.", rich_help_panel=EXPERIMENT
        ),
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(
            metavar="SIZES",
            help="Client sizes, equal or natural, as partition.sizes; implies dirichlet.",
            rich_help_panel=EXPERIMENT,
        ),
    ] = None,
    samples_per_client: Annotated[
        int | None,
        typer.Option(
            help="Samples each client gets, as partition.samples_per_client; 0 = all there are.",
            rich_help_panel=EXPERIMENT,
        ),
    ] = None,
    affected_class: Annotated[
        int | None,
        typer.Option(help="The class whose holders are late, as staleness.affected_class.", rich_help_panel=EXPERIMENT),
    ] = None,
    stale_clients: Annotated[
        int | None,
        typer.Option(help="How many clients are late, as staleness.late_clients.", rich_help_panel=EXPERIMENT),
    ] = None,
    settings: SettingsOption = None,
    seed: SeedOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Store the partition here (safetensors).", rich_help_panel=OUTPUT)
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw it, as the paper's Figure 7 (png, pdf, svg).", rich_help_panel=OUTPUT)
    ] = None,
    force: ForceOption = False,
    data_dir: DataDirOption = None,
    download: DownloadOption = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Divide a data set among clients and choose the late ones.

    It shows both, as `simulate` draws them from the same settings and seed.

    Example: stalefl partition --clients 40 --alpha 0.1 --affected-class 5 --stale-clients 4 --out part.safetensors
    """
    from stalefl.cli.common import console, print_json, set_up_logging
    from stalefl.config.loading import load_experiment
    from stalefl.data.partition import class_counts
    from stalefl.data.partition_file import save_partition
    from stalefl.data.place import data_context
    from stalefl.data.setup import partition_meta, prepare_partition, train_labels
    from stalefl.registry import load_registry
    from stalefl.report.plots.partition import draw_partition_plot

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
        "staleness": {"affected_class": affected_class, "late_clients": stale_clients},
        "run": {"seed": seed},
    }
    given = {table: {k: v for k, v in keys.items() if v is not None} for table, keys in flags.items()}
    experiment = load_experiment(None, settings or [], given)
    _refuse_to_overwrite([path for path in (out, plot) if path], force)
    data = load_registry().create("dataset", experiment.data.dataset, experiment.data.options)
    data = data.load(data_context(data_dir, download))
    choices = (experiment.partition, experiment.staleness, experiment.run.seed)
    partition, late_clients = prepare_partition(data, *choices)
    counts = class_counts(partition, train_labels(data), data.spec.classes)
    if out:
        save_partition(out, partition, late_clients, partition_meta(data, *choices))
    title = _title(data, experiment.partition, partition.clients)
    affected = experiment.staleness.affected_classes
    if plot:
        draw_partition_plot(counts, late_clients, _class_names(data), affected, plot, title)
    if json_output:
        print_json(_document(data, experiment, counts, late_clients, out, plot))
    elif not quiet:
        console().print(_table(counts, late_clients, _class_names(data), affected, title))
        console().print(_summary(counts, late_clients, affected, _class_names(data)), soft_wrap=True)
        if late_clients:
            console().print(f"late by: {_delays(experiment, late_clients)}", soft_wrap=True)
        for label, path in (("partition", out), ("picture", plot)):
            if path:
                console().print(f"{label}: {path}", soft_wrap=True)


def _kind(kind: str | None, alpha: float | None, sizes: str | None, settings: list[str]) -> str | None:
    """--alpha and --sizes say "dirichlet"; with another kind they would be ignored, and that is an error."""
    from stalefl.contracts import InputError

    flag = "--alpha" if alpha is not None else "--sizes" if sizes is not None else None
    if flag is None or kind == "dirichlet" or any(text.strip().startswith("partition.kind") for text in settings):
        return kind
    if kind is not None:
        raise InputError(f"{flag} belongs to --partition dirichlet; it means nothing to --partition {kind}")
    return "dirichlet"


def _refuse_to_overwrite(paths: list[Path], force: bool) -> None:
    from stalefl.contracts import InputError

    for path in paths:
        if path.is_dir():
            raise InputError(f"{path} is a folder; name a file")
        if path.exists() and not force:
            raise InputError(f"{path} exists; give another name, or --force to overwrite it")
        if not path.parent.is_dir():
            raise InputError(f"cannot write {path}: there is no folder {path.parent}")


def _class_names(data: Dataset) -> tuple[str, ...]:
    return data.spec.class_names or tuple(str(label) for label in range(data.spec.classes))


def _title(data: Dataset, spec: PartitionTable, clients: int) -> str:
    if spec.file:
        how = f"as in {Path(spec.file).name}"
    elif spec.kind == "dirichlet":
        how = f"Dirichlet({spec.alpha:g}), {spec.sizes} sizes"
    else:
        how = spec.kind
    return f"{data.name}: {clients} clients, {how}"


def _document(
    data: Dataset,
    experiment: Experiment,
    counts: Indices,
    late_clients: tuple[int, ...],
    out: Path | None,
    plot: Path | None,
) -> dict[str, Any]:
    staleness = experiment.staleness
    return {
        "schema": 1,
        "dataset": data.name,
        "seed": experiment.run.seed,
        "partition": experiment.partition.model_dump(mode="json"),
        "clients": len(counts),
        "classes": data.spec.classes,
        "class_names": list(_class_names(data)),
        "samples": int(counts.sum()),
        "sizes": counts.sum(axis=1).tolist(),
        "counts": counts.tolist(),
        "affected_class": staleness.model_dump(mode="json")["affected_class"],
        "late_clients": list(late_clients),
        "late_share_of_affected_class": _late_share(counts, late_clients, staleness.affected_classes),
        "staleness": staleness.model_dump(mode="json"),
        "delays_rounds": _delays_by_client(experiment, late_clients),
        "out": str(out) if out else None,
        "plot": str(plot) if plot else None,
    }


def _late_share(counts: Indices, late_clients: tuple[int, ...], affected: tuple[int, ...]) -> float:
    held = counts[:, affected].sum(axis=1)
    return float(held[list(late_clients)].sum() / max(1, held.sum()))


def _summary(counts: Indices, late_clients: tuple[int, ...], affected: tuple[int, ...], names: tuple[str, ...]) -> str:
    from stalefl.formatting import class_words

    if not late_clients:
        return "no client is late"
    late, of_affected = ", ".join(map(str, late_clients)), counts[:, affected].sum(axis=1)
    held, share = of_affected[list(late_clients)].sum(), _late_share(counts, late_clients, affected)
    samples = f"{held} of {of_affected.sum()} samples of {class_words(affected, names)}"
    return f"late clients: {late}; they hold {samples} ({share:.0%})"


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


# --- the table ------------------------------------------------------------------------------------------------------


def _table(
    counts: Indices, late_clients: tuple[int, ...], names: tuple[str, ...], affected: tuple[int, ...], title: str
) -> Table:
    """Clients by classes; of many clients the late ones and the first others, of many classes those held most."""
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    classes = _classes_shown(counts, affected)
    rows = _rows_shown(len(counts), late_clients)
    table = Table(title=Text(title), box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), show_footer=True)
    table.title_justify = table.caption_justify = "left"
    table.add_column("client", "all", justify="right")
    table.add_column("", "")
    for label in classes:
        style = "bold" if label in affected else ""
        heading = Text(names[label] if len(names[label]) <= WIDEST_NAME else f"{names[label][: WIDEST_NAME - 1]}…")
        table.add_column(heading, str(counts[:, label].sum()), justify="right", style=style)
    if len(classes) < len(names):
        table.add_column("others", str(counts.sum() - counts[:, classes].sum()), justify="right")
    table.add_column("samples", str(counts.sum()), justify="right")
    for client in rows:
        late = client in late_clients
        table.add_row(*_row(counts[client], client, late, classes), style=LATE_STYLE if late else None)
    if len(rows) < len(counts):
        table.caption = f"{len(counts) - len(rows)} of {len(counts)} clients are not shown; --json has them all"
    return table


def _row(counts: Indices, client: int, late: bool, classes: list[int]) -> list[str | Text]:
    cells = [str(counts[label]) if counts[label] else "·" for label in classes]
    others = [str(counts.sum() - counts[classes].sum())] if len(classes) < len(counts) else []
    return [str(client), "late" if late else "", *cells, *others, str(counts.sum())]


def _rows_shown(clients: int, late_clients: tuple[int, ...]) -> list[int]:
    others = [client for client in range(clients) if client not in late_clients]
    return sorted([*late_clients, *others[: max(0, ROWS_SHOWN - len(late_clients))]])


def _classes_shown(counts: Indices, affected: tuple[int, ...]) -> list[int]:
    if counts.shape[1] <= CLASS_COLUMNS_SHOWN:
        return list(range(counts.shape[1]))
    most_held = [label for label in (-counts.sum(axis=0)).argsort(kind="stable").tolist() if label not in affected]
    return sorted([*affected, *most_held[: max(0, CLASS_COLUMNS_SHOWN - len(affected))]])
