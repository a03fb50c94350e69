"""anchored-inversion: the update that inversion predicts, and what persists of the part that it cannot explain.

Ours; derived in docs/anchored-inversion.md. D_rec is recovered as in ``inversion`` (Wang and Gao, AAAI 2025, Eq. 6).
With f(w) = LocalUpdate(w; D_rec) and r = delta - f(w_base), what D_rec leaves unexplained, the estimate is

    alpha * anchor + beta * (f(w_t) - f(w_base)),   anchor = f(w_base) + s * r,

where s in [0, 1] is the share of the explained update that persists today along its own direction. With s = 1 the
anchor is the stale update itself, with s = 0 and alpha = beta = 1 the estimate is that of ``inversion``. When the model
has converged, s is 1 and the change is 0: the stale update as it is, so no switching point is needed. beta (and, if
asked, alpha) is learned from the updates that arrive later: the update begun in round t is the truth that an estimate
made in round t was after. Least squares per client and over all clients, shrunk towards 1 (inversion/shrinkage.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from stalefl.contracts import ClientUpdate, Compensated, Compensator, ServerView, State
from stalefl.inversion.job_memory import job_key, still_awaited
from stalefl.inversion.persistence import persisting_share
from stalefl.inversion.recovery import RecoveryOptions, recover, recover_together
from stalefl.inversion.shrinkage import Evidence
from stalefl.inversion.sketch import sketch

PRIOR = (1.0, 1.0)
HELD = 1e6
"""The strength of a prior that no evidence moves."""
POOLED = -1
"""The key of all clients' evidence beside the clients' own."""


class AnchoredInversionOptions(RecoveryOptions):
    learn: bool = Field(True, description="learn alpha and beta from the updates that arrive later; false: both stay 1")
    learn_alpha: bool = Field(False, description="learn alpha as well; it lags behind by the staleness")
    fade_residual: bool = Field(
        True,
        description="keep of what D_rec leaves unexplained the share that persists of what it explains; false: all",
    )
    prior_strength: float = Field(
        2.0, gt=0, description="what the prior weighs, in arrivals; a client's own evidence against all clients' alike"
    )
    memory: float = Field(0.9, gt=0, le=1, description="what evidence still weighs a round later")


class AnchoredInversion(Compensator):
    summary = "the stale update plus the change that inversion predicts, as far as it has proved right"
    paper = "stalefl (docs/anchored-inversion.md), after Wang and Gao, AAAI 2025"
    Options = AnchoredInversionOptions
    options: AnchoredInversionOptions

    def init(self, view: ServerView) -> State:
        return {"recovered": {}, "prepared": {}, "estimates": {}, "evidence": {}}

    def prepare(self, arrivals: Sequence[tuple[ClientUpdate, ServerView]], state: State) -> State:
        late = [(update, view) for update, view in arrivals if update.staleness_rounds]
        return {**state, "prepared": recover_together(late, self.options, state["recovered"])}

    def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
        if update.staleness_rounds == 0:
            return Compensated(update.delta, float(update.samples), state)
        state = self._learn(update, view, state)
        memory = state["recovered"].get(update.client)
        prepared = state["prepared"].get(job_key(update.client, update.dispatched_round))
        recovery = recover(update, view, self.options, memory, prepared=prepared)
        if not recovery.fit.losses:  # an update of zero
            return Compensated(update.delta, float(update.samples), state)
        program, data = recovery.program, recovery.fit.data
        explained, predicted = program.train_on(data, update.base_weights), program.train_on(data, view.weights)
        persisting = persisting_share(explained, predicted) if self.options.fade_residual else 1.0
        anchor, change = explained + persisting * (update.delta - explained), predicted - explained
        features = torch.stack([sketch(anchor), sketch(change)])
        alpha, beta = self._coefficients(update.client, features, view.round, state)
        state = {**state, "recovered": {**state["recovered"], update.client: recovery.memory}}
        if self.options.learn and (update.client, view.round) in view.awaited:
            # Of several updates of a client in one round, that begun last comes first and is kept.
            state = {**state, "estimates": {job_key(update.client, view.round): features, **state["estimates"]}}
        return Compensated(
            alpha * anchor + beta * change,
            float(update.samples),
            state,
            recovery.fit.iterations,
            {"alpha": alpha, "beta": beta, "persisting": persisting, "fit_loss": recovery.fit.losses[-1]},
        )

    def refine(self, weights: Tensor, view: ServerView, state: State) -> tuple[Tensor, State]:
        """Forget what no update still to come will ask for."""
        return weights, {**state, "prepared": {}, "estimates": still_awaited(state["estimates"], view)}

    def _learn(self, update: ClientUpdate, view: ServerView, state: State) -> State:
        features = state["estimates"].get(job_key(update.client, update.dispatched_round))
        if features is None:
            return state
        truth = sketch(update.delta)
        evidence = dict(state["evidence"])
        for key in (update.client, POOLED):
            known = Evidence(*evidence[key]) if key in evidence else Evidence.none(len(features))
            evidence[key] = list(known.seen(features, truth, view.round, self.options.memory))
        return {**state, "evidence": evidence}

    def _coefficients(self, client: int, features: Tensor, round: int, state: State) -> tuple[float, float]:
        if not self.options.learn:
            return PRIOR
        coefficients = torch.tensor(PRIOR)
        squares = features.square().sum(dim=1).cpu()
        strength = (self.options.prior_strength * squares / squares[0]).clamp(min=1e-6)
        if not self.options.learn_alpha:
            strength[0] = HELD
        for key in (POOLED, client):
            if key in state["evidence"]:
                evidence = Evidence(*state["evidence"][key]).aged(round, self.options.memory)
                coefficients = evidence.coefficients(coefficients, strength)
        alpha, beta = coefficients.tolist()
        return alpha, beta
