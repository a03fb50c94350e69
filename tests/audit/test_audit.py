from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stalefl.audit.attempts import all_attempts
from stalefl.audit.audit import reopen_audit
from stalefl.contracts import InputError
from tests.audit.problem import CONTEXT, folder, opened, truth


def test_a_stored_audit_is_the_one_that_was_opened(tmp_path: Path) -> None:
    tables = {"audit": {"defences": ["none", "clip=1, gaussian=0.5"], "fail_if": ["psnr>20"]}, "run": {"seed": 3}}
    before = opened(tmp_path / "out", **tables)
    after = reopen_audit(tmp_path / "out", CONTEXT)
    assert after.experiment == before.experiment
    assert (after.plan.defences, after.plan.conditions) == (before.plan.defences, before.plan.conditions)
    assert all_attempts(after) == all_attempts(before)
    for case in (0, 1):
        assert torch.equal(after.bench.cases[case].delta, before.bench.cases[case].delta)
        assert torch.equal(truth(after, case).inputs, truth(before, case).inputs)


def test_machine_and_conditions_may_change(tmp_path: Path) -> None:
    opened(tmp_path / "out")
    after = reopen_audit(tmp_path / "out", CONTEXT, {"run": {"jobs": 2}, "audit": {"fail_if": ["ssim>0.5"]}})
    assert after.experiment.run.jobs == 2
    assert [str(condition) for condition in after.plan.conditions] == ["ssim>0.5"]


def test_a_truth_nobody_knows_stays_unknown(tmp_path: Path) -> None:
    opened(tmp_path / "out", known=False)
    assert reopen_audit(tmp_path / "out", CONTEXT).truths == [None, None]


@pytest.mark.parametrize("name", ["config.toml", "cases.safetensors", "truth.safetensors"])
def test_an_audit_that_lacks_a_file_cannot_be_gone_on_with(tmp_path: Path, name: str) -> None:
    opened(tmp_path / "out")
    (tmp_path / "out" / name).unlink()
    with pytest.raises(InputError, match="holds no audit|truth.safetensors does not exist"):
        reopen_audit(tmp_path / "out", CONTEXT)


def test_attacks_of_which_none_fits_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none of the attacks can be made on this update \(idlg: .* 3 samples"):
        opened(tmp_path / "out", audit={"samples": 3})
    assert not folder(tmp_path / "out").path.exists()


def test_an_attack_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    audit = opened(tmp_path / "out", audit={"samples": 3, "attacks": ["idlg", "dlg"], "options": {}})
    assert {attempt.attack for attempt in all_attempts(audit)} == {"dlg"}
