"""dynafed: pseudo data that mimic how the global model moved early on, to fine-tune it on ever after.

Paper: Pi et al., "DynaFed: Tackling Client Data Heterogeneity with Global Dynamics", CVPR 2023. (1) FedAvg for L
rounds; the server keeps the models w_0 ... w_L. (2) Once, it synthesises a small labelled data set: training on it
from w_s must lead near the mean of two or three of w_{s+1} ... w_{s+3}, for any s (trajectory.py). (3) After
each later round's FedAvg it fine-tunes the model on these data. Clients never see them, and late updates are taken as
they are.

Deviations: fine-tuning is not augmented, and batch-norm statistics stay those of the clients. The step size is kept
positive. Images are augmented unless ``augment = "none"``, other inputs never are; flips, meant for photos, change
what some digits say.
Checked: the steps against the abstract and public summaries. The constants are those of the authors' code as others
noted them, which we have not read.
Memory: L + 1 vectors [P] until the data are made, then the data alone. Cost: iterations * inner_steps training steps
on all pseudo data, differentiated once more, in round L, as server time; how far it is, is told.
"""

from __future__ import annotations

import logging
import time
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from stalefl.builtins.compensators.dynafed.trajectory import (
    MatchSettings,
    PseudoData,
    match_trajectory,
    random_pseudo_data,
)
from stalefl.contracts import PROGRESS, Compensator, InputSpec, LocalTraining, Options, ServerView, State
from stalefl.formatting import duration
from stalefl.training.local_update import local_update

REPORTS = 20


class DynaFedOptions(Options):
    start_rounds: int = Field(25, ge=1, description="L, the rounds of plain FedAvg whose models are kept")
    images_per_class: int = Field(15, ge=1, description="size of the pseudo data, in samples per class")
    iterations: int = Field(3000, ge=1, description="steps in which the pseudo data are learned")
    inner_steps: int = Field(20, ge=1, description="training steps on the pseudo data that each of them unrolls")
    window: int = Field(3, ge=1, description="a target is the mean of some of so many models after the start")
    input_lr: float = Field(0.05, gt=0, description="learning rate of the pseudo inputs")
    label_lr: float = Field(0.01, ge=0, description="learning rate of the label logits")
    step_size: float = Field(0.04, gt=0, description="learning rate of the unrolled training, at first")
    step_size_lr: float = Field(1e-5, ge=0, description="learning rate of that learning rate")
    augment: Literal["dsa", "none"] = Field(
        "dsa", description="differentiable augmentation of pseudo images; other inputs are never augmented"
    )
    fine_tune_epochs: int = Field(20, ge=1, description="passes over the pseudo data after each later round")
    fine_tune_lr: float = Field(1e-4, gt=0, description="learning rate of the fine-tuning, by Adam")
    fine_tune_batch_size: int = Field(256, ge=1, description="mini-batch size of the fine-tuning")

    @model_validator(mode="after")
    def _long_enough(self) -> DynaFedOptions:
        if self.start_rounds < self.window:
            raise ValueError(f"start_rounds must be at least window, {self.window}")
        return self

    def match_settings(self, spec: InputSpec) -> MatchSettings:
        return MatchSettings(
            iterations=self.iterations,
            inner_steps=self.inner_steps,
            window=self.window,
            input_lr=self.input_lr,
            label_lr=self.label_lr,
            step_size_lr=self.step_size_lr,
            augment=self.augment == "dsa" and spec.space == "pixels" and len(spec.shape) == 3,
        )


class DynaFed(Compensator):
    summary = "fine-tunes on pseudo data made from the global model's early trajectory"
    paper = "Pi et al., CVPR 2023"
    Options = DynaFedOptions
    options: DynaFedOptions

    def init(self, view: ServerView) -> State:
        return {"trajectory": [view.weights], "pseudo": {}}

    def refine(self, weights: Tensor, view: ServerView, state: State) -> tuple[Tensor, State]:
        if state["pseudo"]:
            return weights + self._fine_tuning(weights, PseudoData(**state["pseudo"]), view), state
        trajectory = [*state["trajectory"], weights]
        # Counted in models, not rounds: a round whose model was rejected has left none.
        if len(trajectory) <= self.options.start_rounds:
            return weights, {"trajectory": trajectory, "pseudo": {}}
        return weights, {"trajectory": [], "pseudo": self._synthesised(trajectory, view).to_tree()}

    def _synthesised(self, trajectory: list[Tensor], view: ServerView) -> PseudoData:
        options, spec, device = self.options, view.input_spec, view.weights.device
        size = options.images_per_class * spec.classes
        start = random_pseudo_data(spec, size, options.step_size, view.generator, device)
        settings = options.match_settings(spec)
        progress = _Progress(settings.iterations)
        return match_trajectory(view.model, view.buffers, trajectory, start, settings, view.generator, progress).data

    def _fine_tuning(self, weights: Tensor, data: PseudoData, view: ServerView) -> Tensor:
        """The delta [P] of training on the pseudo data."""
        training = LocalTraining(
            local_epochs=self.options.fine_tune_epochs,
            batch_size=self.options.fine_tune_batch_size,
            lr=self.options.fine_tune_lr,
            optimizer="adam",
        )
        return local_update(view.model, weights, view.buffers, data.inputs, data.labels, training, view.generator).delta


class _Progress:
    """Tells the mean loss and the time left now and then: the synthesis can take minutes."""

    def __init__(self, iterations: int) -> None:
        self.iterations, self.began = iterations, time.monotonic()
        self.losses: list[Tensor] = []

    def __call__(self, iteration: int, loss: Tensor) -> None:
        self.losses.append(loss)
        if iteration % max(1, self.iterations // REPORTS) == 0 or iteration == self.iterations:
            mean = float(torch.stack(self.losses).mean())
            left = duration((time.monotonic() - self.began) / iteration * (self.iterations - iteration))
            how_far = f"iteration {iteration}/{self.iterations}, loss {mean:.3g}, {left} left"
            logging.getLogger(PROGRESS).info("dynafed: pseudo data, %s", how_far)
            self.losses = []
