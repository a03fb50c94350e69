"""The records of an inversion: D_rec, the estimate, the pictures and ``result.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor

from stalefl.records.documents.common import SCHEMA
from stalefl.records.inversion_folder import InversionFolder
from stalefl.report.plots.inversion import draw_inversion, draw_recovered
from stalefl.simulation.oracle import update_error
from stalefl.storage import save_weights
from stalefl.training.embedding import texts
from stalefl.updates.invert import Inverted
from stalefl.updates.observed import ObservedUpdate
from stalefl.updates.surface import Surface


def inversion_document(inverted: Inverted) -> dict[str, Any]:
    """``result.json``. What is not known is None."""
    observed, update, fit = inverted.observed, inverted.observed.update, inverted.recovery.fit
    arrived, truth = observed.arrived, observed.truth
    return {
        "schema": SCHEMA,
        "model": observed.experiment.model.name,
        "dataset": observed.dataset,
        "client": arrived.client if arrived else None,
        "round": arrived.round if arrived else None,
        "staleness_rounds": arrived.staleness_rounds if arrived else None,
        "samples": update.samples if observed.samples_known else None,
        "training": asdict(observed.view.training),
        "options": inverted.options.model_dump(),
        "size": len(inverted.data),
        "iterations": fit.iterations,
        "seconds": inverted.seconds,
        "first_loss": fit.losses[0],
        "last_loss": fit.losses[-1],
        "explained": inverted.is_explained,
        "fit_error": asdict(inverted.fit_error),
        "noise_error": _error(inverted.noise_delta, update.delta),
        "stale_error": _error(update.delta, truth),
        "estimate_error": _error(inverted.estimate, truth),
        "anchored_estimate_error": _error(inverted.anchored, truth),
        "true_update_size": None if truth is None else float(truth.abs().sum() / update.delta.abs().sum()),
        "label_shares": inverted.label_shares,
        "true_label_shares": inverted.true_label_shares,
    }


def _error(found: Tensor | None, truth: Tensor | None) -> dict[str, float] | None:
    return None if found is None or truth is None else asdict(update_error(found, truth))


def write_inversion(inverted: Inverted, around: Mapping[str, Surface], folder: InversionFolder) -> dict[str, Any]:
    """D_rec, the estimate and the pictures, last ``result.json``, which is returned."""
    view, data, result = inverted.observed.view, inverted.data, inversion_document(inverted)
    save_weights(folder.recovered, {"inputs": data.inputs, "labels": data.labels})
    if inverted.estimate is not None:
        save_weights(folder.estimate, view.model.layout.to_named(inverted.estimate))
    title = _title(inverted.observed)
    table = inverted.observed.token_table
    shown = data.inputs if table is None else texts(data.inputs, table, view.input_spec.tokens)
    draw_recovered(shown, data.labels, view.input_spec, folder.samples, title)
    errors = {"D_rec": result["fit_error"], "noise": result["noise_error"]}
    draw_inversion(
        folder.figures,
        losses=inverted.recovery.fit.losses,
        disparity=inverted.options.disparity,
        label_shares=result["label_shares"],
        true_label_shares=result["true_label_shares"],
        class_names=view.input_spec.class_names,
        surfaces=around,
        cosine_distances={name: error["cosine"] for name, error in errors.items()},
        title=title,
    )
    folder.write_result(result)
    return result


def _title(observed: ObservedUpdate) -> str:
    place = f"{observed.experiment.model.name} on {observed.dataset}"
    if (arrived := observed.arrived) is None:
        return place
    late = f"{arrived.staleness_rounds} rounds late" if arrived.staleness_rounds else "on time"
    return f"client {arrived.client}, round {arrived.round}, {late} ({place})"
