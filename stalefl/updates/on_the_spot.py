"""Updates made for an audit: clients with samples of their own, each training once."""

from __future__ import annotations

from pathlib import Path

import torch

from stalefl.config.schema import Experiment
from stalefl.contracts import ClientUpdate, Dataset, InputError, ServerView
from stalefl.run.parts import build_model
from stalefl.seeds import named_generator, named_rng
from stalefl.training.local_update import local_update
from stalefl.updates.files import load_parameters
from stalefl.updates.observed import ObservedUpdate, server_view


def made_of_samples(experiment: Experiment, dataset: Dataset, weights: Path | None) -> list[ObservedUpdate]:
    """Updates of ``audit.cases`` clients, each with ``audit.samples`` training samples of its own, drawn alike for all
    and no sample twice. They start from the weights of a file, or from initial ones.

    Raises InputError if the data set has fewer samples, or the weights do not fit the model.
    """
    seed, audit = experiment.run.seed, experiment.audit
    wanted, there = audit.cases * audit.samples, len(dataset.train)
    if wanted > there:
        raise InputError(
            f"audit.cases = {audit.cases} of audit.samples = {audit.samples} are {wanted} samples; {dataset.name} has "
            f"{there} for training"
        )
    torch.set_num_threads(experiment.run.threads)
    built = build_model(experiment, dataset.spec)
    if weights is not None:
        stored = load_parameters(weights, built.model)
        built = built.with_weights(stored.flat, stored.buffers)
    order = named_rng(seed, "audit-samples").permutation(there)[:wanted].reshape(audit.cases, audit.samples)
    view = server_view(experiment, built)
    return [_made(experiment, dataset, view, indices.tolist(), case) for case, indices in enumerate(order)]


def _made(experiment: Experiment, dataset: Dataset, view: ServerView, indices: list[int], case: int) -> ObservedUpdate:
    inputs, targets = dataset.train.take(indices)
    generator = named_generator(experiment.run.seed, "local-training", 0, case)
    result = local_update(view.model, view.weights, view.buffers, inputs, targets, view.training, generator)
    if not (result.delta.isfinite().all() and result.delta.any()):
        what = "zero" if result.delta.isfinite().all() else "not finite: the training diverged"
        raise InputError(f"the update of client {case} is {what}; valid: another training.lr, model or --weights")
    return ObservedUpdate(
        experiment=experiment,
        dataset=dataset.name,
        update=ClientUpdate(case, result.delta, len(indices), 0, 0, view.weights, result.buffers),
        view=view,
        samples_known=True,
        current_known=False,
        client_data=(inputs, targets),
    )
