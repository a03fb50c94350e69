from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stalefl.audit.attempts import all_attempts
from stalefl.audit.audit import Audit
from stalefl.audit.outcome import AuditCell, Networks, Outcome, measure
from tests.audit.problem import opened, recovered, truth, write, write_all


@pytest.fixture
def networks(user_cache: Path) -> Networks:
    return Networks(cache=user_cache / "stalefl" / "classifiers")


def only(outcome: Outcome) -> AuditCell:
    (cell,) = outcome.cells
    return cell


def test_the_samples_themselves_are_recovered_without_error(tmp_path: Path, networks: Networks) -> None:
    audit = opened(tmp_path / "out")
    write_all(audit, exact=True)
    told: list[float] = []
    outcome = measure(audit, networks, told.append)
    cell = only(outcome)
    assert (cell.name, cell.cases, cell.iterations, cell.seconds, cell.loss) == ("idlg under none", 2, 7, 0.1, 0.5)
    known = {"psnr_median": 100, "mse": 0, "readable_share": 1, "label_accuracy": 1, "own_nearer_share": 1, "pairs": 2}
    assert {name: cell.values[name] for name in known} == known
    assert cell.values["ssim"] == pytest.approx(1)
    shares = torch.bincount(torch.cat([truth(audit, case).targets for case in (0, 1)]), minlength=10) / 2
    assert list(cell.label_shares) == shares.tolist()
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_references_lie_where_they_are_expected(tmp_path: Path, networks: Networks) -> None:
    audit = opened(tmp_path / "out", audit={"cases": 8})
    references = measure(audit, networks).references
    noise, strangers = references["noise"], references["strangers"]
    assert noise["mse"] is not None
    assert strangers["mse"] is not None
    # Uniform noise is 1/12 + (x - 1/2)^2 from x; real samples of a class are nearer to each other.
    assert 1 / 12 < noise["mse"] < 1 / 12 + 1 / 4
    assert strangers["mse"] < noise["mse"]
    assert (noise["clients"], strangers["clients"]) == (8, 8)


def test_errors_are_on_the_scale_of_the_value_range(tmp_path: Path, networks: Networks) -> None:
    audit = opened(tmp_path / "out", audit={"cases": 1})
    low, high = audit.dataset.spec.value_range[0][0], audit.dataset.spec.value_range[1][0]
    own = truth(audit, 0)
    nearer = own.inputs.clamp(low, high - 0.1 * (high - low))
    write(all_attempts(audit)[0], recovered(own.targets, nearer))
    error = ((own.inputs - nearer) / (high - low)).square().mean()
    assert only(measure(audit, networks)).values["mse"] == pytest.approx(float(error), rel=1e-4)


def test_labels_alone_are_measured_and_leave_no_picture(tmp_path: Path, networks: Networks) -> None:
    audit = opened(tmp_path / "out")
    for attempt in all_attempts(audit):
        targets = truth(audit, attempt.case).targets
        write(attempt, recovered(targets if attempt.case else (targets + 1) % 10, None))
    outcome = measure(audit, networks)
    values = only(outcome).values
    assert (values["label_accuracy"], values["psnr"], values["pairs"], values["samples"]) == (0.5, None, 0, 2)
    assert not outcome.recovered


def test_what_is_not_made_yet_is_left_out_of_the_figures(tmp_path: Path, networks: Networks) -> None:
    audit = opened(tmp_path / "out", audit={"defences": ["none", "noise=0.01"]})
    first, own = all_attempts(audit)[0], truth(audit, 0)
    write(first, recovered(own.targets, own.inputs))
    outcome = measure(audit, networks)
    made, missing = outcome.cells
    assert (made.cases, made.values["clients"], made.values["psnr"]) == (1, 1, 100)
    assert (missing.cases, missing.values, missing.loss) == (0, {}, None)
    assert [kept is not None for kept in outcome.recovered["idlg"]["none"]] == [True, False]


def test_nobody_knows_the_truth(tmp_path: Path) -> None:
    audit = opened(tmp_path / "out", known=False)
    write_all(replace_truths(audit), exact=True)
    outcome = measure(audit, Networks())
    values = only(outcome).values
    assert (outcome.references, outcome.instruments.classifier, outcome.instruments.sources) == ({}, None, ())
    assert {name: value for name, value in values.items() if value} == {"clients": 2}
    assert sum(only(outcome).label_shares) == pytest.approx(1)
    assert len(outcome.recovered["idlg"]["none"]) == 2


def replace_truths(audit: Audit) -> Audit:
    """The audit as one who knows the samples has it."""
    whole = opened(audit.folder.path.with_name("known"))
    return replace(whole, folder=audit.folder)
