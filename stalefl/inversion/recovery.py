"""Recover D_rec from a client's update, starting where the client's last recovery ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from stalefl.contracts import ClientUpdate, Options, ServerView
from stalefl.inversion.batch import fit_batch
from stalefl.inversion.d_rec import DRec, LabelKind, d_rec_size, random_data
from stalefl.inversion.fit import Fit, FitSettings, Target, fit_data
from stalefl.inversion.job_memory import job_key
from stalefl.inversion.objective import Disparity
from stalefl.inversion.program import Program

PUBLISHED: Mapping[str, Any] = {
    "size": 256,
    "labels": "free",
    "disparity": "l1",
    "iterations": 40_000,
    "learning_rate": 1.0,
    "tolerance": 0.0,
    "warm_start": False,
}
"""The options that make up the recipe of the paper's published code; besides, it takes Adam steps on the sign of the
inputs' gradient, lowers the learning rate in three steps, and has a loss of its own inside the local training."""


class RecoveryOptions(Options):
    recipe: Literal["stalefl", "published"] = Field(
        "stalefl", description="published: as in the paper's published code (256 samples, 40,000 iterations, ...)"
    )
    size: PositiveInt | Literal["auto"] = Field(
        "auto", description="samples in D_rec; auto: an eighth of the client's, from 32 to 64"
    )
    labels: LabelKind = Field("soft", description="labels in D_rec: soft, hard (one class each) or free numbers")
    disparity: Disparity = Field("l2", description="what is minimised: relative L2 (squared), L1, or cosine distance")
    sparsify: float = Field(0.0, ge=0, lt=1, description="share of the update's entries, the smallest, left out of it")
    iterations: PositiveInt = Field(100, description="greatest number of iterations the first time")
    learning_rate: float = Field(0.3, gt=0, description="Adam learning rate on inputs and label logits")
    tolerance: float = Field(
        0.02, ge=0, lt=1, description="stop early when ten iterations lower the loss by less than this share; 0: never"
    )
    warm_start: bool = Field(True, description="start from the client's last D_rec")
    warm_iterations: PositiveInt = Field(10, description="greatest number of iterations from the client's last D_rec")
    warm_learning_rate: float = Field(
        0.1, gt=0, description="learning rate from the client's last D_rec; a larger one would undo what was found"
    )
    fit_updates: PositiveInt = Field(
        1, description="explain the client's last so many updates at once; for clients whose data stay the same"
    )
    replay_steps: int = Field(
        0, ge=0, description="replay the client's local steps in at most so many longer ones; 0: every step"
    )

    batch: Literal["auto", "always", "never"] = Field(
        "auto", description="invert all late clients of a round in one batched computation; auto: on a GPU"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in_recipe(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("recipe") == "published":
            return {**PUBLISHED, **given}
        return given

    def fit_settings(self, warm: bool) -> FitSettings:
        published = self.recipe == "published"
        return FitSettings(
            iterations=self.warm_iterations if warm else self.iterations,
            learning_rate=self.warm_learning_rate if warm else self.learning_rate,
            disparity=self.disparity,
            sparsify=self.sparsify,
            tolerance=self.tolerance,
            optimizer="sign-adam" if published else "adam",
            schedule="published" if published else "constant",
        )

    def program(self, view: ServerView, samples: int) -> Program:
        """The local program of a client with so many samples, as it is replayed."""
        loss = published_loss if self.recipe == "published" else cross_entropy
        return Program.of_client(
            view.model, view.training, view.buffers, samples, replay_steps=self.replay_steps, loss=loss
        )

    def size_for(self, samples: int) -> int:
        return d_rec_size(samples) if self.size == "auto" else self.size


@dataclass(frozen=True)
class Recovery:
    """``fit`` explains the update by ``program``; ``memory`` is what the next recovery of this client starts from."""

    program: Program
    fit: Fit
    memory: Mapping[str, Any]


Memory = Mapping[str, Any]
"""What is remembered of a client's last recovery: plain data."""


def recover(
    update: ClientUpdate,
    view: ServerView,
    options: RecoveryOptions,
    memory: Memory | None = None,
    on_iteration: Callable[[int], None] = lambda iteration: None,
    prepared: Mapping[str, Any] | None = None,
) -> Recovery:
    """Fit D_rec to an update, and to those remembered of its client; ``memory`` is None the first time.

    ``prepared`` is the fit if ``recover_together`` has made it already.
    """
    program = options.program(view, update.samples)
    targets = [Target(update.base_weights, update.delta)]
    if memory is not None and options.fit_updates > 1:
        targets += [Target(*past) for past in memory["updates"][: options.fit_updates - 1]]
    if prepared is not None:
        data = DRec(prepared["inputs"], prepared["label_logits"], options.labels)
        fit = Fit(data, tuple(prepared["losses"]))
    else:
        start, settings = _start(update, view, options, memory)
        fit = fit_data(program, targets, view.input_spec, start, settings, view.generator, on_iteration)
    remembered = {"inputs": fit.data.inputs, "label_logits": fit.data.label_logits, "updates": []}
    if options.fit_updates > 1:
        remembered["updates"] = [list(target) for target in targets]
    return Recovery(program, fit, remembered)


def recover_together(
    arrivals: Sequence[tuple[ClientUpdate, ServerView]], options: RecoveryOptions, memories: Mapping[int, Memory]
) -> dict[str, dict[str, Any]]:
    """The fits of several clients' updates, by ``job_key``, as ``prepared`` for ``recover``; none where one after the
    other is the better way.

    Clients with the same program, size of D_rec and kind of start are fitted in one batch. A client's further updates
    of the round are left out: they start from what the first has found.
    """
    if options.batch == "never" or options.fit_updates > 1:
        return {}
    groups = defaultdict(list)
    for update, view in _first_of_each_client(arrivals):
        if update.delta.any() and (options.batch == "always" or view.weights.is_cuda):
            start, settings = _start(update, view, options, memories.get(update.client))
            steps = options.program(view, update.samples).steps
            groups[steps, len(start), settings].append((update, view, start))
    prepared = {}
    for (_, _, settings), members in groups.items():
        program = options.program(members[0][1], members[0][0].samples)
        targets = [Target(update.base_weights, update.delta) for update, _, _ in members]
        starts, spec = [start for _, _, start in members], members[0][1].input_spec
        for (update, _, _), fit in zip(members, fit_batch(program, targets, spec, starts, settings), strict=True):
            prepared[job_key(update.client, update.dispatched_round)] = {
                "inputs": fit.data.inputs,
                "label_logits": fit.data.label_logits,
                "losses": list(fit.losses),
            }
    return prepared


def _first_of_each_client(
    arrivals: Sequence[tuple[ClientUpdate, ServerView]],
) -> Iterator[tuple[ClientUpdate, ServerView]]:
    seen = set()
    for update, view in arrivals:
        if update.client not in seen:
            yield update, view
        seen.add(update.client)


def _start(
    update: ClientUpdate, view: ServerView, options: RecoveryOptions, memory: Memory | None
) -> tuple[DRec, FitSettings]:
    """Where the search begins, and how it goes on from there."""
    if memory is not None and options.warm_start:
        return DRec(memory["inputs"], memory["label_logits"], options.labels), options.fit_settings(warm=True)
    size = options.size_for(update.samples)
    start = random_data(view.input_spec, size, view.generator, view.weights.device, options.labels)
    return start, options.fit_settings(warm=False)


def published_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy on log-softmax outputs, with labels that are no distribution."""
    return binary_cross_entropy_with_logits(logits.log_softmax(dim=1), labels)
