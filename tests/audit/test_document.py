from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stalefl.audit.accounting import epsilon
from stalefl.audit.attempts import make_attempts
from stalefl.audit.audit import Audit
from stalefl.audit.document import audit_document
from stalefl.audit.outcome import Networks, measure
from stalefl.machine.processes import new_stop
from tests.audit.problem import opened, write_all

ENOUGH = {"idlg": {"iterations": 700}}


@pytest.fixture
def networks(user_cache: Path) -> Networks:
    return Networks(cache=user_cache / "stalefl" / "classifiers")


def result(audit: Audit, networks: Networks) -> dict[str, Any]:
    found = audit_document(audit, measure(audit, networks))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def test_an_attack_that_reads_the_sample_and_one_that_cannot(tmp_path: Path, networks: Networks) -> None:
    hopeless = "sparsify=0.999, noise=0.1"
    audit = opened(tmp_path / "out", audit={"options": ENOUGH, "defences": ["none", hopeless], "cases": 3})
    assert make_attempts(audit, 1, lambda share: None, new_stop())
    found = result(audit, networks)
    exact, blind = found["cells"]
    assert (exact["defence"], exact["inputs"]["word"], exact["labels"]["word"]) == ("none", "readable", "labels known")
    assert exact["metrics"]["psnr_median"] > 40
    assert exact["labels"]["reason"] == "100% of 3 labels, a guess would tell 10%"
    assert blind["inputs"]["word"] != "readable"
    assert blind["metrics"]["psnr_median"] < 20
    assert found["verdict"][0].startswith("none: samples readable (idlg: median PSNR ")
    assert found["verdict"][0].endswith("labels known (idlg: 100% of 3 labels, a guess would tell 10%)")
    assert found["verdict"][1].startswith(f"{hopeless}: samples ")
    assert "samples readable" not in found["verdict"][1]


def test_what_was_done_is_told(tmp_path: Path, networks: Networks) -> None:
    audit = opened(tmp_path / "out", run={"seed": 5}, audit={"restarts": 2})
    write_all(audit, exact=False)
    found = result(audit, networks)
    assert (found["schema"], found["dataset"], found["model"], found["seed"]) == (1, "digits", "mlp", 5)
    assert (found["restarts"], found["training"]["lr"]) == (2, 0.1)
    assert found["cases"] == [{"title": f"client {case}", "samples": 1} for case in (0, 1)]
    assert found["attacks"]["idlg"]["options"]["iterations"] == 7
    assert "2020" in found["attacks"]["idlg"]["paper"]
    assert found["classifier"]["model"] == "cnn-digits"
    assert found["classifier"]["test_accuracy"] > 0.9
    assert found["networks"] == ["lpips: classifier features", "fid: classifier features"]
    assert set(found["references"]) == {"noise", "strangers"}


def test_wrong_samples_under_wrong_labels_are_no_leak(tmp_path: Path, networks: Networks) -> None:
    for cases, word in ((4, "too few to tell"), (8, "no better than noise")):
        audit = opened(tmp_path / f"out-{cases}", audit={"cases": cases})
        write_all(audit, exact=False)
        (cell,) = result(audit, networks)["cells"]
        assert (cell["inputs"]["word"], cell["labels"]["word"]) == (word, "no better than guessing")


def test_only_clipped_gaussian_noise_has_a_guarantee(tmp_path: Path, networks: Networks) -> None:
    private = ["clip=1, gaussian=2", "clip=1, gaussian=2, sparsify=0.9"]
    bare = ["none", "noise=0.01", "clip=1", "sparsify=0.9, clip=1, gaussian=2"]
    found = result(opened(tmp_path / "out", audit={"defences": private + bare, "dp_delta": 1e-6}), networks)
    guarantees = found["defences"]
    assert [name for name, guarantee in guarantees.items() if guarantee] == private
    for name in private:
        assert guarantees[name]["delta"] == 1e-6
        assert guarantees[name]["epsilon"] == pytest.approx(epsilon(2, 1e-6))
        # Other data in its place move the mean twice as far: as half the noise.
        assert guarantees[name]["epsilon_replace"] == pytest.approx(epsilon(1, 1e-6))


def test_conditions_are_met_or_cannot_be_answered(tmp_path: Path, networks: Networks) -> None:
    conditions = ["psnr>20", "mse<0", "relative_rmse<1"]
    audit = opened(tmp_path / "out", audit={"fail_if": conditions})
    write_all(audit, exact=True)
    found = result(audit, networks)
    assert found["violations"] == ["idlg under none: psnr is 100, which is psnr>20"]
    assert found["unanswered_conditions"] == ["relative_rmse<1"]


def test_without_truth_nothing_is_judged(tmp_path: Path, networks: Networks) -> None:
    audit = opened(tmp_path / "out", known=False, audit={"fail_if": ["psnr>20"]})
    assert make_attempts(audit, 1, lambda share: None, new_stop())
    found = result(audit, networks)
    (cell,) = found["cells"]
    assert cell["inputs"]["word"] == cell["labels"]["word"] == "unknown"
    assert not any(value for name, value in cell["metrics"].items() if name != "clients")
    (sentence,) = found["verdict"]
    assert "look at the picture; the fit explains the update" in sentence
    assert "labels unknown (idlg: recovered: " in sentence
    assert (found["violations"], found["unanswered_conditions"]) == ([], ["psnr>20"])
    assert (found["classifier"], found["references"], found["networks"]) == (None, {}, [])
    assert math.isclose(sum(cell["label_shares"]), 1, rel_tol=1e-5)


def test_attacks_that_do_not_fit_are_told_with_their_reason(tmp_path: Path, networks: Networks) -> None:
    audit = opened(tmp_path / "out", audit={"samples": 3, "attacks": ["idlg", "dlg"], "options": {}})
    write_all(audit, exact=True)
    unfit, made = result(audit, networks)["cells"]
    assert unfit["unfit"].startswith("the client trains on 3 samples")
    assert (unfit["cases"], unfit["metrics"], unfit["inputs"], unfit["loss"]) == (0, {}, None, None)
    assert (made["unfit"], made["cases"], made["inputs"]["word"]) == (None, 2, "readable")


def test_nothing_made_yet_is_unknown(tmp_path: Path, networks: Networks) -> None:
    found = result(opened(tmp_path / "out"), networks)
    assert found["cells"][0]["inputs"] is None
    assert found["verdict"] == ["none: samples unknown; labels unknown"]


def test_an_update_that_its_client_sparsified_before_has_no_guarantee(tmp_path: Path, networks: Networks) -> None:
    audit = opened(tmp_path / "out", audit={"defences": ["clip=1, gaussian=2"]})
    sparse = [replace(case, sent=case.delta != 0) for case in audit.bench.cases]
    again = replace(audit, bench=replace(audit.bench, cases=sparse))
    assert result(audit, networks)["defences"]["clip=1, gaussian=2"] is not None
    assert result(again, networks)["defences"]["clip=1, gaussian=2"] is None
