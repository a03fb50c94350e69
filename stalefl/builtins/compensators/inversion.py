"""inversion: turn a stale update into an unstale one by gradient inversion.

Paper: Wang and Gao, "Tackling Intertwined Data and Device Heterogeneities in Federated Learning with Unlimited
Staleness", AAAI 2025. The server finds D_rec, whose local training from the old global model reproduces the stale
update (Eq. 6), trains today's global model on it, and aggregates the result with the weight of FedAvg.

Deviations: the objective is the relative squared L2 distance and the optimiser plain Adam on inputs and softmaxed
labels (the paper names cosine and L1; the published code takes 40,000 sign-Adam iterations on free labels); about 100
iterations suffice, fewer from the warm start, which is the client's last D_rec. D_rec is trained on in full-batch
steps, as many as the client makes. Not yet here: sparsification, the uniqueness test and switching back (Eqs. 7, 8).
"""

from __future__ import annotations

from pydantic import Field

from stalefl.contracts import ClientUpdate, Compensated, Compensator, Options, ServerView, State
from stalefl.inversion.core import Program, RecoveredData, fit_data, random_data


class InversionOptions(Options):
    size: int = Field(16, ge=1, description="samples in D_rec")
    iterations: int = Field(100, ge=1, description="iterations the first time a client is inverted")
    warm_iterations: int = Field(10, ge=1, description="iterations from the client's last D_rec")
    warm_start: bool = Field(True, description="start from the client's last D_rec")
    learning_rate: float = Field(0.1, gt=0, description="Adam learning rate on inputs and label logits")


class Inversion(Compensator):
    summary = "gradient inversion: train today's model on data whose training reproduces the stale update"
    paper = "Wang and Gao, AAAI 2025"
    Options = InversionOptions
    options: InversionOptions

    def init(self, view: ServerView) -> State:
        return {"recovered": {}}

    def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
        if update.staleness_rounds == 0:
            return Compensated(update.delta, float(update.samples), state)
        options, spec = self.options, view.input_spec
        program = Program.of_client(view.model, view.training, view.buffers, update.samples)
        last = state["recovered"].get(update.client) if options.warm_start else None
        if last is None:
            start = random_data(spec, options.size, view.generator, view.weights.device)
        else:
            start = RecoveredData(last["inputs"], last["label_logits"])
        fit = fit_data(
            program,
            update.base_weights,
            update.delta,
            spec,
            start,
            iterations=options.iterations if last is None else options.warm_iterations,
            learning_rate=options.learning_rate,
        )
        if not fit.losses:  # an update of zero
            return Compensated(update.delta, float(update.samples), state)
        recovered = {"inputs": fit.data.inputs, "label_logits": fit.data.label_logits}
        state = {"recovered": {**state["recovered"], update.client: recovered}}
        return Compensated(
            program.train_on(fit.data, view.weights), float(update.samples), state, iterations=fit.iterations
        )
