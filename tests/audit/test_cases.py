from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from stalefl.audit.cases import Bench, Case, truth_of
from stalefl.audit.defences import Defence
from stalefl.run.parts import load_dataset
from stalefl.seeds import named_generator
from stalefl.storage import load_tree, save_tree
from stalefl.updates.observed import ObservedUpdate
from stalefl.updates.on_the_spot import made_of_samples
from tests.audit.problem import CONTEXT, experiment

EXPERIMENT = experiment()
DIGITS = load_dataset(EXPERIMENT, CONTEXT)
MADE = made_of_samples(EXPERIMENT, DIGITS, None)


def with_zeros(zeros: float, **changed: Any) -> ObservedUpdate:
    """An update of ones, the first share of which are zeros."""
    delta = torch.ones_like(MADE[0].update.delta)
    delta[: round(zeros * len(delta))] = 0
    return replace(MADE[0], update=replace(MADE[0].update, delta=delta), **changed)


def bench(*cases: Case, **tables: Mapping[str, Any]) -> Bench:
    return Bench.build(experiment(**tables), DIGITS.spec, cases or [Case.of(one, "") for one in MADE])


def test_mostly_zeros_from_elsewhere_were_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "stalefl"):
        case = Case.of(with_zeros(0.9, from_elsewhere=True), "theirs")
    assert case.sent is not None
    assert torch.equal(case.sent, case.delta != 0)
    assert "90% of the update are zeros: they are taken for entries that were not sent" in caplog.text


@pytest.mark.parametrize(
    ("zeros", "from_elsewhere"), [(0.75, True), (0.9, False)], ids=["as many as resting rectifiers give", "our own"]
)
def test_other_zeros_were_sent(zeros: float, from_elsewhere: bool, caplog: pytest.LogCaptureFixture) -> None:
    assert Case.of(with_zeros(zeros, from_elsewhere=from_elsewhere), "").sent is None
    assert not caplog.text


def test_an_update_made_here_is_whole_though_its_rectifiers_rest() -> None:
    """Of one sample most entries of a small network are zero; that they are is part of what was sent."""
    assert min(float((one.update.delta != 0).float().mean()) for one in MADE) < 0.6
    assert all(Case.of(one, "").sent is None for one in MADE)


def test_a_case_is_stored_and_read(tmp_path: Any) -> None:
    case = Case.of(with_zeros(0.9, from_elsewhere=True), "theirs")
    save_tree(tmp_path / "case.safetensors", case.to_tree())
    again = Case(**load_tree(tmp_path / "case.safetensors"))
    assert (again.samples, again.title) == (1, "theirs")
    assert again.sent is not None
    assert case.sent is not None
    assert torch.equal(again.delta, case.delta)
    assert torch.equal(again.sent, case.sent)


def test_the_truth_is_kept_apart() -> None:
    found = truth_of(MADE[0])
    assert found is not None
    assert MADE[0].client_data is not None
    assert found.inputs is MADE[0].client_data[0]
    assert truth_of(replace(MADE[0], client_data=None)) is None
    assert not set(vars(Case.of(MADE[0], ""))) & {"inputs", "targets", "client_data"}


def test_a_defence_draws_alike_for_every_attack_and_not_for_every_client() -> None:
    noisy, both = Defence.parse("noise=0.01"), bench()
    one, other = (both.exposure(0, noisy, named_generator(0, f"attack:{name}")) for name in ("dlg", "idlg"))
    assert torch.equal(one.delta, other.delta)
    assert one.generator is not other.generator
    drawn = [both.exposure(case, noisy).delta - both.cases[case].delta for case in (0, 1)]
    assert not torch.equal(*drawn)
    weak = both.exposure(0, Defence.parse("noise=0.02"))
    assert not torch.equal(weak.delta, one.delta)


def test_noise_is_on_the_scale_of_the_gradient() -> None:
    """Two steps of rate 0.05 reach 0.1 per unit of gradient: variance 4 there is deviation 0.2 on the update."""
    program = {"local_epochs": 2, "lr": 0.05, "momentum": 0.0}
    ours = bench(training=program)
    noise = ours.exposure(0, Defence.parse("noise=4")).delta - ours.cases[0].delta
    assert float(noise.std()) == pytest.approx(0.2, rel=0.1)


def masked(defence: str, zeros: float = 0.9) -> tuple[Tensor, Tensor, Case]:
    case = Case.of(with_zeros(zeros, from_elsewhere=True), "")
    seen = bench(case).exposure(0, Defence.parse(defence))
    assert seen.sent is not None
    return seen.delta, seen.sent, case


def test_no_defence_leaves_an_update_as_it_is() -> None:
    seen = bench().exposure(0, Defence())
    assert torch.equal(seen.delta, MADE[0].update.delta)
    assert seen.sent is None
    assert (seen.samples, seen.input_spec) == (1, DIGITS.spec)


def test_what_is_not_sent_is_zero_and_masked() -> None:
    seen = bench().exposure(0, Defence.parse("sparsify=0.9, noise=0.01"))
    assert seen.sent is not None
    assert float(seen.sent.float().mean()) == pytest.approx(0.1, abs=0.001)
    assert not seen.delta[~seen.sent].any()


def test_what_a_client_never_sent_gets_no_noise() -> None:
    delta, sent, case = masked("noise=0.01")
    assert case.sent is not None
    assert torch.equal(sent, case.sent)
    assert not delta[~sent].any()
    assert (delta[sent] != 1).all()


def test_a_sparsification_sends_no_entries_that_were_not_there() -> None:
    """A quarter of the entries is there; of the half that the defence would send no more can be."""
    delta, sent, case = masked("sparsify=0.5")
    assert case.sent is not None
    assert torch.equal(sent, case.sent)
    assert torch.equal(delta, case.delta)
