from __future__ import annotations

import math

import pytest
import torch

from stalefl.audit.measure.one_client import Instruments, measure_case
from stalefl.audit.measure.perceptual import frechet_distance, perceptual_distance
from stalefl.audit.measure.summary import summarise_cases
from stalefl.contracts import InputSpec, Leak
from stalefl.seeds import named_generator
from tests.audit.measure.pictures import SPEC, images, untrained

TARGETS = torch.tensor([0, 1, 1])
ONE_HOT = torch.eye(2)[TARGETS]
PLAIN = Instruments(SPEC)
SIGNAL = InputSpec(shape=(4,), classes=2, value_range=((0.0,) * 4, (1.0,) * 4), space="signal")


def test_a_perfect_recovery_in_another_order() -> None:
    true, order = images(3), [2, 0, 1]
    found = measure_case(Leak(ONE_HOT[order], true[order]), true, TARGETS, PLAIN, strangers=images(3, seed=1))
    assert found.matching is not None
    assert found.matching.true.tolist() == order
    assert found.per_pair["psnr"].tolist() == [100.0] * 3
    assert found.per_pair["mse"].tolist() == [0.0] * 3
    assert found.nearest_rmse is not None
    assert float(found.nearest_rmse.max()) < 1e-6
    assert found.own_nearer is True
    assert (found.samples, found.label_hits) == (3, 3)


def test_more_recovered_samples_than_true_ones() -> None:
    true = images(1)
    recovered = torch.cat([images(2, seed=1), true])
    found = measure_case(Leak(torch.full((3, 2), 0.5), recovered), true, TARGETS[:1], PLAIN)
    assert found.matching is not None
    assert found.matching.recovered.tolist() == [2]
    assert found.nearest_rmse is not None
    assert len(found.nearest_rmse) == 3


def test_an_error_is_measured_on_the_scale_0_to_1() -> None:
    true = torch.zeros(1, 1, 8, 8)
    found = measure_case(Leak(ONE_HOT[:1], true + 0.2), true, TARGETS[:1], PLAIN)
    assert found.per_pair["mse"].tolist() == pytest.approx([0.01])
    assert found.per_pair["psnr"].tolist() == pytest.approx([20.0])
    assert found.nearest_rmse is not None
    assert found.nearest_rmse.tolist() == pytest.approx([0.1])


def test_an_attack_on_labels_alone_has_a_figure_for_labels_alone() -> None:
    found = measure_case(Leak(torch.tensor([[0.0, 1.0]])), images(3), TARGETS, PLAIN)
    assert found.label_hits == 2
    assert not found.per_pair
    values = summarise_cases([found], PLAIN)
    assert values["label_accuracy"] == pytest.approx(2 / 3)
    assert (values["psnr"], values["pairs"]) == (None, 0)


def test_without_truth_nothing_is_known() -> None:
    values = summarise_cases([measure_case(Leak(ONE_HOT, images(3)), None, None, PLAIN)], PLAIN)
    known = {name for name, value in values.items() if value is not None}
    assert known == {"clients", "pairs", "samples"}


def test_a_diverged_attack_is_measured_as_what_it_shows() -> None:
    leak = Leak(torch.full((1, 2), math.nan), torch.full((1, 1, 8, 8), math.nan))
    found = measure_case(leak, torch.zeros(1, 1, 8, 8), TARGETS[:1], PLAIN)
    assert found.per_pair["mse"].tolist() == [0.0]
    assert found.label_hits == 1


def test_strangers_that_are_nearer_are_told() -> None:
    true, strangers = images(2), images(2, seed=1)
    assert measure_case(Leak(ONE_HOT[:2], strangers), true, TARGETS[:2], PLAIN, strangers).own_nearer is False


def test_the_classifier_sees_recovered_and_true_samples() -> None:
    classifier = untrained()
    targets = classifier.predict(images(3))
    found = measure_case(Leak(ONE_HOT, images(3)), images(3), targets, Instruments(SPEC, classifier))
    assert found.per_pair["classifier_accuracy"].tolist() == [1.0] * 3
    wrong = measure_case(Leak(ONE_HOT, images(3)), images(3), 1 - targets, Instruments(SPEC, classifier))
    assert wrong.per_pair["classifier_accuracy_true"].tolist() == [0.0] * 3


def test_signals_have_a_relative_error_and_no_figures_of_images() -> None:
    true = torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5]])
    found = measure_case(Leak(ONE_HOT[:2], torch.full_like(true, 0.5)), true, TARGETS[:2], Instruments(SIGNAL))
    values = summarise_cases([found], Instruments(SIGNAL))
    # The constant one has no relative error.
    assert values["relative_rmse"] == pytest.approx(1.0)
    assert "ssim" not in values


def test_embeddings_are_read_as_tokens() -> None:
    spec = InputSpec(shape=(3, 2), classes=2, value_range=((0.0,) * 3, (1.0,) * 3), space="embedding")
    instruments = Instruments(spec, embedding=torch.eye(2))
    true = torch.eye(2)[torch.tensor([[0, 1, 1]])]
    recovered = torch.eye(2)[torch.tensor([[0, 1, 0]])]
    values = summarise_cases([measure_case(Leak(ONE_HOT[:1], recovered), true, TARGETS[:1], instruments)], instruments)
    # Of the two tokens that are no padding one is right.
    assert (values["token_accuracy"], values["token_recall"], values["token_count"]) == (0.5, 0.5, 2)
    assert "psnr" not in values


def test_networks_are_used_where_they_are_given() -> None:
    classifier = untrained()
    lpips, fid = perceptual_distance(SPEC, classifier), frechet_distance(SPEC, classifier)
    instruments = Instruments(SPEC, classifier, lpips, fid)
    noise = torch.rand(5, 1, 8, 8, generator=named_generator(0, "noise"))
    cases = [measure_case(Leak(ONE_HOT[:1], noise[:1]), images(1), TARGETS[:1], instruments)]
    assert summarise_cases(cases, instruments)["fid"] is None, "one image has no covariance"
    cases.append(measure_case(Leak(ONE_HOT, noise[2:]), images(3), TARGETS, instruments))
    values = summarise_cases(cases, instruments)
    assert values["fid"] is not None
    assert values["lpips"] is not None
    assert min(values["fid"], values["lpips"]) > 0
    assert instruments.sources == ("lpips: classifier features", "fid: classifier features")
