"""first-order: a Taylor step from the old weights to the new ones.

Paper: Zheng et al., "Asynchronous Stochastic Gradient Descent with Delay Compensation", ICML 2017 (DC-ASGD), Eqs. (1)
and (2) of Wang and Gao, AAAI 2025: g(w_t) ~ g + lambda g * g * (w_t - w_base), elementwise.

From gradients to updates: an update is the sum of many local steps, so its gradient form is g = -delta / step, with
step = LocalTraining.path_length, which is lr * local steps / (1 - momentum) for SGD. Put in:
delta(w_t) ~ delta - (lambda / step) * delta * delta * (w_t - w_base).

Limits: the formula is about SGD. Weight decay and FedProx's term count as gradient, though g * g says nothing of their
curvature. With Adam, g = -delta / (lr * local steps) is a mean normalised direction (entries of about -1 to 1, whatever
the loss): g * g no longer approximates a Hessian, and the correction is a heuristic whose lambda has to be tuned anew.

Deviations: none from the formula; lambda 0.04 is the constant of DC-ASGD-c. (The published code of Wang and Gao puts
lambda = 4 on the update itself, which is this lambda for one step of lr 0.01, but with the sign of the gradient form.)
"""

from __future__ import annotations

from pydantic import Field

from stalefl.contracts import ClientUpdate, Compensated, Compensator, Options, ServerView, State


class FirstOrderOptions(Options):
    strength: float = Field(0.04, ge=0, description="lambda, the scale of the Hessian approximation g * g")


class FirstOrder(Compensator):
    summary = "first-order Taylor compensation with the Hessian approximated by g * g"
    paper = "Zheng et al., ICML 2017"
    Options = FirstOrderOptions
    options: FirstOrderOptions

    def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
        step = view.training.path_length(update.samples)
        drift = view.weights - update.base_weights
        delta = update.delta - (self.options.strength / step) * update.delta.square() * drift
        return Compensated(delta, float(update.samples), state)
