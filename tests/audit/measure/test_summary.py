from __future__ import annotations

import pytest
import torch

from stalefl.audit.measure.matching import Matching
from stalefl.audit.measure.metrics import metrics_of
from stalefl.audit.measure.one_client import CaseMeasurements, Instruments
from stalefl.audit.measure.summary import share_above, summarise_cases
from tests.audit.measure.pictures import SPEC

PLAIN = Instruments(SPEC)


def case(*psnr: float, **other: object) -> CaseMeasurements:
    pairs = torch.arange(len(psnr))
    per_pair = {"psnr": torch.tensor(psnr, dtype=torch.float64)}
    return CaseMeasurements(len(psnr), Matching(pairs, pairs), per_pair, **other)  # type: ignore[arg-type]


def test_every_pair_counts_alike_whichever_client_it_is_of() -> None:
    values = summarise_cases([case(10.0), case(20.0, 30.0, 40.0)], PLAIN)
    assert values["psnr"] == 25.0
    assert values["psnr_median"] == 25.0
    assert values["readable_share"] == 0.5
    assert (values["clients"], values["pairs"], values["samples"]) == (2, 4, 4)


def test_the_share_of_samples_above_a_bound() -> None:
    assert share_above([case(10.0, 30.0), case(35.0)], "psnr", 30.0) == pytest.approx(2 / 3)
    assert share_above([CaseMeasurements()], "psnr", 30.0) is None


def test_labels_count_once_per_sample() -> None:
    cases = [case(1.0, label_hits=1, guessed_hits=0.1), case(1.0, 1.0, 1.0, label_hits=1, guessed_hits=1.5)]
    values = summarise_cases(cases, PLAIN)
    assert values["label_accuracy"] == 0.5
    assert values["label_guess"] == pytest.approx(0.4)


def test_clients_nearer_to_their_own_are_counted_where_that_is_known() -> None:
    cases = [case(1.0, own_nearer=True), case(1.0, own_nearer=False), case(1.0, own_nearer=None)]
    assert summarise_cases(cases, PLAIN)["own_nearer_share"] == 0.5


def test_every_metric_of_the_space_has_a_place() -> None:
    assert list(summarise_cases([], PLAIN)) == [metric.name for metric in metrics_of("pixels")]
    assert summarise_cases([], PLAIN)["psnr"] is None
