"""What every built-in attack that recovers inputs must give."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from stalefl.builtins.attacks.dlg import Dlg
from stalefl.builtins.attacks.fedavg_unrolled import FedavgUnrolled
from stalefl.builtins.attacks.idlg import Idlg
from stalefl.builtins.attacks.inverting_gradients import InvertingGradients
from stalefl.builtins.attacks.linear_layer import LinearLayer
from stalefl.contracts import Attack, Exposure, Leak, LocalTraining
from tests.builtins.attacks.exposures import SPEC, exposure

SHORT = {"iterations": 21}
ATTACKS = [
    pytest.param(Dlg(Dlg.Options(**SHORT)), id="dlg"),
    pytest.param(Idlg(Idlg.Options(**SHORT)), id="idlg"),
    pytest.param(InvertingGradients(InvertingGradients.Options(**SHORT)), id="inverting-gradients"),
    pytest.param(InvertingGradients(InvertingGradients.Options(labels="soft", **SHORT)), id="soft-labels"),
    pytest.param(FedavgUnrolled(FedavgUnrolled.Options(**SHORT)), id="fedavg-unrolled"),
    pytest.param(FedavgUnrolled(FedavgUnrolled.Options(search="adam", **SHORT)), id="fedavg-unrolled-adam"),
    pytest.param(LinearLayer(LinearLayer.Options()), id="linear-layer"),
]
TWO = [attack for attack in ATTACKS if attack.id != "idlg"]
every = pytest.mark.parametrize("attack", ATTACKS)


def run(attack: Attack, exposed: Exposure) -> Leak:
    return attack.attack(exposed, lambda share: None)


@every
def test_each_describes_itself_and_its_options(attack: Attack) -> None:
    assert attack.summary
    assert attack.paper
    assert all(field.description for field in attack.Options.model_fields.values())


@every
def test_inputs_are_within_bounds_and_labels_are_distributions(attack: Attack) -> None:
    leak = run(attack, exposure())
    assert leak.inputs is not None
    assert leak.inputs.shape == (1, *SPEC.shape)
    assert leak.inputs.dtype == leak.labels.dtype == torch.float32
    assert -1.0 <= leak.inputs.min() <= leak.inputs.max() <= 2.0
    assert leak.labels.shape == (1, 3)
    assert leak.labels.sum(dim=1).tolist() == pytest.approx([1.0])


@pytest.mark.parametrize("attack", TWO)
@pytest.mark.parametrize("defence", ["none", "sparsify=0.9", "clip=0.01, gaussian=0.1"])
def test_two_samples_under_each_defence(attack: Attack, defence: str) -> None:
    leak = run(attack, exposure(2, defence=defence))
    assert leak.inputs is not None
    assert leak.inputs.shape[1:] == SPEC.shape
    assert 1 <= len(leak.inputs) == len(leak.labels) <= 2
    assert leak.inputs.isfinite().all()


@every
def test_the_generator_names_the_result(attack: Attack) -> None:
    once, again, other = (run(attack, exposure(seed=seed)) for seed in (3, 3, 4))
    assert once.inputs is not None
    assert again.inputs is not None
    assert torch.equal(once.inputs, again.inputs)
    assert torch.equal(once.labels, again.labels)
    assert torch.equal(once.inputs, other.inputs) is not attack.draws  # type: ignore[arg-type]


@every
def test_nothing_that_was_given_is_changed(attack: Attack) -> None:
    exposed, before = exposure(defence="sparsify=0.5"), exposure(defence="sparsify=0.5")
    run(attack, exposed)
    for field in fields(Exposure):
        given = getattr(exposed, field.name)
        if isinstance(given, torch.Tensor):
            assert torch.equal(given, getattr(before, field.name))


@every
def test_progress_rises_to_one(attack: Attack) -> None:
    told: list[float] = []
    attack.attack(exposure(), told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


@every
def test_an_update_of_zero_tells_nothing_and_breaks_nothing(attack: Attack) -> None:
    exposed = exposure()
    leak = run(attack, replace(exposed, delta=torch.zeros_like(exposed.delta)))
    assert leak.inputs is not None
    assert leak.inputs.isfinite().all()
    assert leak.labels.isfinite().all()


@every
def test_what_needs_a_gradients_lengths_is_unfit_where_clients_run_adam(attack: Attack) -> None:
    assert attack.unfit(exposure()) == ""
    reason = attack.unfit(exposure(training=LocalTraining(local_epochs=1, lr=0.1, optimizer="adam")))
    assert ("Adam" in reason) is isinstance(attack, Dlg | Idlg | LinearLayer)
