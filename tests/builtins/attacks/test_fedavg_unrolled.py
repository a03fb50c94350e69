from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch.nn.functional import one_hot

from stalefl.builtins.attacks.dlg import Dlg
from stalefl.builtins.attacks.fedavg_unrolled import FedavgUnrolled, SentUpdate, decided
from stalefl.contracts import Exposure, Leak, LocalTraining
from stalefl.inversion.program import Program
from tests.builtins.attacks.exposures import Convolution, exposure, images, worst_error

STEPS = LocalTraining(local_epochs=4, lr=0.3, momentum=0.5)


def unroll(exposed: Exposure, **options: object) -> Leak:
    chosen = FedavgUnrolled.Options.model_validate(options)
    return FedavgUnrolled(chosen).attack(exposed, lambda share: None)


@pytest.mark.parametrize("lr", [0.3, 1.0])
def test_input_and_label_behind_several_steps_are_recovered(lr: float) -> None:
    exposed, (inputs, targets) = exposure(training=replace(STEPS, lr=lr), model=Convolution), images(1)
    leak = unroll(exposed)
    assert worst_error(leak.inputs, inputs) < 1e-3
    assert leak.labels[0, targets].item() == pytest.approx(1.0, abs=1e-3)


def test_taken_for_one_gradient_several_steps_mislead() -> None:
    exposed, (inputs, _) = exposure(2, training=STEPS, model=Convolution), images(2)
    one_gradient = Dlg(Dlg.Options()).attack(exposed, lambda share: None)
    assert worst_error(unroll(exposed).inputs, inputs) < 0.1 * worst_error(one_gradient.inputs, inputs)


def test_the_search_of_the_inversion_finds_the_same_less_exactly() -> None:
    leak = unroll(exposure(training=STEPS), search="adam", iterations=300)
    assert leak.iterations == 300
    assert worst_error(leak.inputs, images(1)[0]) < 0.3


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_true_data_explain_the_update(optimizer: Literal["sgd", "adam"]) -> None:
    training = LocalTraining(local_epochs=3, lr=0.01, optimizer=optimizer)
    exposed, (inputs, targets) = exposure(2, training=training), images(2)
    program = Program.of_client(exposed.model, training, {}, 2)
    observed = SentUpdate.of(program, exposed, FedavgUnrolled.Options())
    assert observed.distance(inputs.double(), one_hot(targets, 3).double()) < 1e-6
    assert observed.distance(-inputs.double(), one_hot(targets, 3).double()) > 0.01


def test_decided_labels_keep_their_greatest_class() -> None:
    assert decided(torch.tensor([[0.2, 0.5, 0.3]]))[0].tolist() == pytest.approx([0.01 / 3, 0.99 + 0.01 / 3, 0.01 / 3])


def test_as_many_samples_as_reported_up_to_the_cap() -> None:
    for cap, size in ((64, 5), (3, 3)):
        leak = unroll(exposure(5), iterations=2, most_samples=cap)
        assert leak.labels.shape == (size, 3)


@pytest.mark.parametrize("search", ["lbfgs", "adam"])
def test_only_entries_that_were_sent_are_explained(search: str) -> None:
    exposed = exposure(defence="sparsify=0.9")
    sent, every = (unroll(exposed, iterations=140, search=search, entries=entries) for entries in ("sent", "all"))
    assert sent.loss < 0.1 * every.loss


@pytest.mark.parametrize("search", ["lbfgs", "adam"])
def test_a_mask_with_nothing_sent_is_no_error(search: str) -> None:
    exposed = exposure()
    nothing = replace(exposed, delta=torch.zeros_like(exposed.delta), sent=torch.zeros_like(exposed.delta).bool())
    assert unroll(nothing, search=search).loss == 0.0
