"""The pictures of the page of ``stalefl report``, each with its caption: curves, delays, who holds what, D_rec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from stalefl.formatting import class_words
from stalefl.records.estimates import estimating
from stalefl.records.inversion_folder import InversionFolder
from stalefl.records.metrics import AFFECTED, OVERALL, WINDOW, delays_in_words, first_late_round
from stalefl.records.run_data import RunData, read_run_data
from stalefl.records.run_groups import Group, RunGroups, StoredRun
from stalefl.report.page.image_sources import drawn_image_source, small_image_source
from stalefl.report.plots.curves import window_of
from stalefl.report.plots.errors import draw_errors
from stalefl.report.plots.partition import draw_partition_plot
from stalefl.report.plots.sample_panel import curve_key
from stalefl.report.plots.small import draw_delays, draw_kept, draw_panel

MOST_CLIENTS = 3
MOST_PARTITIONS = 6
MOST_INVERSIONS = 6


class Picture(NamedTuple):
    """``source`` is that of the image; a ``wide`` one is never made narrower than can be read."""

    source: str
    caption: str
    wide: bool = False


def setting_pictures(group: Group) -> Iterator[Picture]:
    """Of one setting: the two curves, the delays where they differ, the errors of estimates where they were measured,
    D_rec where a run kept it."""
    yield from _curves(group)
    delays = _delays(group)
    if len(set(delays)) > 1:
        words = next(filter(None, (delays_in_words(run.records) for run in group.runs)))
        caption = f"How late the late updates were when they arrived, over all seeds. Of the first seed: {words}."
        yield Picture(drawn_image_source(lambda path: draw_delays(delays, path)), caption)
    yield from _errors(group)
    for method, seeds in group.methods.items():
        if picture := _kept(method, seeds):
            yield picture


def _curves(group: Group) -> Iterator[Picture]:
    runs = {method: [run.records for run in seeds if run.records] for method, seeds in group.methods.items()}
    late = next(filter(None, (first_late_round(run.records) for run in group.runs)), None)
    classes = class_words(group.runs[0].experiment.staleness.affected_classes)
    how = _how_averaged(group, window_of(runs))
    for key, what in ((AFFECTED, classes), (OVERALL, "all classes")):

        def draw(path: Path, key: str = key, what: str = what) -> None:
            draw_panel(runs, key, what.capitalize(), path, late)

        yield Picture(drawn_image_source(draw), f"Accuracy on {what} over rounds{how}.")


def _how_averaged(group: Group, window: int) -> str:
    most = max(len(seeds) for seeds in group.methods.values())
    over_seeds = f"; lines: means of {most} seeds, bands: ± one standard deviation" if most > 1 else ""
    over_rounds = f"; means over {WINDOW} evaluated rounds" if window > 1 else ""
    return over_seeds + over_rounds


def _delays(group: Group) -> list[int]:
    """Of every seed once: all methods meet the same delays."""
    by_seed: dict[int, list[int]] = {}
    for run in group.runs:
        found = [delay for record in run.records for delay in record["staleness_rounds"]]
        if len(found) > len(by_seed.get(run.experiment.run.seed, ())):
            by_seed[run.experiment.run.seed] = found
    return [delay for delays in by_seed.values() for delay in delays]


def _errors(group: Group) -> Iterator[Picture]:
    runs = {method: [run.records for run in seeds] for method, seeds in group.methods.items()}
    if panels := estimating(runs):
        caption = (
            "How far late updates, and the estimates made of them, are from what the clients would have sent on time, "
            "over rounds: relative L1 distance, as the oracle measured it; bands: from the least to the greatest of "
            "the seeds. Each method that trains meets late updates of its own."
        )
        yield Picture(drawn_image_source(lambda path: draw_errors(runs, path)), caption, wide=len(panels) > 1)


# --- D_rec ----------------------------------------------------------------------------------------------------------


def _kept(method: str, seeds: Sequence[StoredRun]) -> Picture | None:
    """Of the first seed that kept its D_rec in its checkpoint."""
    for run in seeds:
        data = read_run_data(run.folder.data)
        if data is None or not run.folder.checkpoint.is_file() or not _inverted(run):
            continue
        if recovered := _recovered(run, data):
            shown = dict(sorted(recovered.items())[:MOST_CLIENTS])
            caption = (
                f"D_rec of {method}, seed {run.experiment.run.seed}: samples that stand for the data of late clients "
                f"({len(shown)} of {len(recovered)} clients), as last recovered; above each its class. They are made "
                "to reproduce an update, not a client's samples."
            )
            if key := curve_key(data.spec):
                caption += f" Curves: {key}."
            return Picture(drawn_image_source(lambda path: draw_kept(shown, data.spec, path)), caption)  # noqa: B023  (drawn now)
    return None


def _inverted(run: StoredRun) -> bool:
    return any(record["inversion_iterations"] for record in run.records)


def _recovered(run: StoredRun, data: RunData) -> dict[int, tuple[Tensor, Tensor]]:
    """Inputs [M, *shape] and labels [M, K] by client, of methods that keep them as ``inversion`` does."""
    state = run.folder.load_checkpoint()["simulation"]["method_state"]
    memories = state.get("recovered", {}) if isinstance(state, Mapping) else {}
    return {
        client: (memory["inputs"], memory["label_logits"])
        for client, memory in memories.items()
        if tuple(memory["inputs"].shape[1:]) == data.spec.shape
    }


def inversion_pictures(folders: Sequence[InversionFolder]) -> Iterator[Picture]:
    """Pictures that ``stalefl invert`` left beside the runs."""
    for folder in folders[:MOST_INVERSIONS]:
        yield Picture(small_image_source(folder.samples), f"{folder.path}: {_inversion_in_words(folder.read_result())}")


def _inversion_in_words(result: Mapping[str, Any]) -> str:
    late, fit = result.get("staleness_rounds"), result.get("fit_error") or {}
    whose = "an update" if result.get("client") is None else f"client {result['client']}, round {result['round']}"
    delay = f", {late} rounds late" if late else ""
    explains = f"; the update that it gives is off by {fit['l1']:.0%} (relative L1)" if fit.get("l1") else ""
    return f"D_rec of {whose}{delay}{explains}"


# --- who holds what -------------------------------------------------------------------------------------------------


def partition_pictures(runs: RunGroups) -> Iterator[Picture]:
    """One for each distinct partition among the first runs of the settings."""
    several: dict[str, tuple[RunData, Group, list[str]]] = {}
    for group in runs.groups:
        data = next(filter(None, (read_run_data(run.folder.data) for run in group.runs)), None)
        if data is not None:
            key = repr((data.counts.tolist(), data.late_clients))
            several.setdefault(key, (data, group, []))[2].append(group.label)
    for data, group, labels in list(several.values())[:MOST_PARTITIONS]:
        yield _partition(data, group, labels if len(several) > 1 else [])


def _partition(data: RunData, group: Group, labels: Sequence[str]) -> Picture:
    experiment = group.runs[0].experiment
    names = data.spec.class_names or tuple(map(str, range(data.spec.classes)))
    affected = experiment.staleness.affected_classes

    def draw(path: Path) -> None:
        draw_partition_plot(data.counts, data.late_clients, names, affected, path)

    where = f" Where {'; or '.join(labels)}." if any(labels) else ""
    before = " before they drift" if experiment.drift.dataset else ""
    caption = f"Which client holds how much of which class{before}, and who is late, with seed {experiment.run.seed}."
    return Picture(drawn_image_source(draw), caption + where, wide=True)
