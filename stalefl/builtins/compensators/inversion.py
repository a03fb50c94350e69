"""inversion: turn a stale update into an unstale one by gradient inversion.

Paper: Wang and Gao, "Tackling Intertwined Data and Device Heterogeneities in Federated Learning with Unlimited
Staleness", AAAI 2025. The server finds D_rec, whose local training from the old global model reproduces the stale
update (Eq. 6), trains today's global model on it, and aggregates the result with the weight of FedAvg. With
``uniqueness`` only late clients whose data nobody else holds are inverted (Eqs. 7, 8); with ``switch_back`` the method
returns to the late updates as they are once its estimates have become worse than those.

Deviations: the objective is the relative squared L2 distance (the paper names cosine and L1: options) and the optimiser
plain Adam on inputs and softmaxed labels, from a start near the data's mean; about 100 iterations suffice, fewer from
the client's last D_rec (the published code: 40,000; ``recipe = "published"``). D_rec is trained on in full-batch steps,
as many as the client makes. E1 and E2 are relative L2 distances, averaged over what arrived (inversion/switching.py).
The uniqueness test is off unless asked for: on a client's every miss its knowledge is lost (docs/inversion.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator
from torch import Tensor

from stalefl.contracts import ClientUpdate, Compensated, Compensator, ServerView, State
from stalefl.inversion.job_memory import job_key, still_awaited
from stalefl.inversion.recovery import RecoveryOptions, recover, recover_together
from stalefl.inversion.sketch import sketch
from stalefl.inversion.switching import Switch
from stalefl.inversion.uniqueness import Uniqueness, uniqueness

TAKEN_FOR_UNIQUE = Uniqueness(distance=1.0, threshold=0.0)


class InversionOptions(RecoveryOptions):
    uniqueness: Literal["off", "nearest", "mean"] = Field(
        "off",
        description="invert only clients whose update differs from the on-time ones: from the nearest, or on mean",
    )
    switch_back: bool = Field(True, description="use late updates as they are once they err less than the estimates")
    switch_window: float = Field(
        0.1, ge=0, le=1, description="share of the rounds before the switch over which the estimate fades out"
    )
    switch_round: int = Field(
        0, ge=0, description="switch in this round, whatever the errors say; 0 = when they say so"
    )

    @model_validator(mode="after")
    def _check_switch(self) -> InversionOptions:
        if self.switch_round and not self.switch_back:
            raise ValueError(f"switch_round = {self.switch_round} needs switch_back = true")
        return self


class Inversion(Compensator):
    summary = "gradient inversion: train today's model on data whose training reproduces the stale update"
    paper = "Wang and Gao, AAAI 2025"
    Options = InversionOptions
    options: InversionOptions

    def init(self, view: ServerView) -> State:
        return {"recovered": {}, "prepared": {}, "on_time": {}, "estimates": {}, "switch": Switch().to_tree()}

    def prepare(self, arrivals: Sequence[tuple[ClientUpdate, ServerView]], state: State) -> State:
        late = [
            (update, view)
            for update, view in arrivals
            if update.staleness_rounds and self._gamma(view, state) > 0 and self._uniqueness(update, view, state).unique
        ]
        return {**state, "prepared": recover_together(late, self.options, state["recovered"])}

    def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
        if update.staleness_rounds == 0:
            return self._as_it_is(update, self._remember_on_time(update, view, state))
        state = self._check_estimate(update, view, state)
        switch, gamma = Switch(**state["switch"]), self._gamma(view, state)
        found = self._uniqueness(update, view, state)
        facts: dict[str, float | bool] = {}
        if self.options.uniqueness != "off":
            facts |= {"unique": found.unique, "distance": found.distance, "threshold": found.threshold}
        if switch.arrivals:
            facts |= {"e1": switch.e1, "e2": switch.e2, "gamma": gamma}
        if gamma == 0 or not found.unique:
            return self._as_it_is(update, state, facts)
        return self._estimate(update, view, state, gamma, facts)

    def refine(self, weights: Tensor, view: ServerView, state: State) -> tuple[Tensor, State]:
        """Forget what no update still to come will ask for."""
        rounds = {dispatched_round for _, dispatched_round in view.awaited}
        on_time = {t: kept for t, kept in state["on_time"].items() if t in rounds}
        estimates = still_awaited(state["estimates"], view)
        return weights, {**state, "prepared": {}, "on_time": on_time, "estimates": estimates}

    def _gamma(self, view: ServerView, state: State) -> float:
        chosen = self.options.switch_round
        switch = Switch(switched_round=chosen) if chosen else Switch(**state["switch"])
        return switch.gamma(view.round, self.options.switch_window)

    def _uniqueness(self, update: ClientUpdate, view: ServerView, state: State) -> Uniqueness:
        """Against the clients that are on time as a rule: not those that the server is still waiting for, although they
        may have been on time when this update was begun."""
        if self.options.uniqueness == "off":
            return TAKEN_FOR_UNIQUE
        on_time = state["on_time"].get(update.dispatched_round, {})
        late = {update.client, *(client for client, _ in view.awaited)}
        others = [kept for client, kept in on_time.items() if client not in late]
        return uniqueness(sketch(update.delta), others, self.options.uniqueness)

    @staticmethod
    def _as_it_is(update: ClientUpdate, state: State, facts: dict[str, float | bool] | None = None) -> Compensated:
        return Compensated(update.delta, float(update.samples), state, facts=facts or {})

    def _estimate(
        self, update: ClientUpdate, view: ServerView, state: State, gamma: float, facts: dict[str, float | bool]
    ) -> Compensated:
        memory = state["recovered"].get(update.client)
        prepared = state["prepared"].get(job_key(update.client, update.dispatched_round))
        recovery = recover(update, view, self.options, memory, prepared=prepared)
        if not recovery.fit.losses:  # an update of zero
            return self._as_it_is(update, state, facts)
        estimate = recovery.program.train_on(recovery.fit.data, view.weights)
        state = {**state, "recovered": {**state["recovered"], update.client: recovery.memory}}
        if self.options.switch_back and (update.client, view.round) in view.awaited:
            pair = [sketch(estimate), sketch(update.delta)]
            # Of several updates of a client in one round, that begun last comes first and is kept.
            state = {**state, "estimates": {job_key(update.client, view.round): pair, **state["estimates"]}}
        return Compensated(
            gamma * estimate + (1 - gamma) * update.delta if gamma < 1 else estimate,
            float(update.samples),
            state,
            recovery.fit.iterations,
            {**facts, "fit_loss": recovery.fit.losses[-1]},
        )

    def _remember_on_time(self, update: ClientUpdate, view: ServerView, state: State) -> State:
        """Keep the updates of rounds whose late updates are still to come: those are compared with them."""
        late_to_come = any(dispatched_round == view.round for _, dispatched_round in view.awaited)
        if self.options.uniqueness == "off" or not late_to_come:
            return state
        kept = {**state["on_time"].get(view.round, {}), update.client: sketch(update.delta)}
        return {**state, "on_time": {**state["on_time"], view.round: kept}}

    @staticmethod
    def _check_estimate(update: ClientUpdate, view: ServerView, state: State) -> State:
        """An update that was begun in round t is the truth that an estimate made in round t was after."""
        pair = state["estimates"].get(job_key(update.client, update.dispatched_round))
        if pair is None:
            return state
        estimate, late = pair
        switch = Switch(**state["switch"]).seen(estimate, late, sketch(update.delta), view.round)
        return {**state, "switch": switch.to_tree()}
