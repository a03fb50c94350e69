from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stalefl.contracts import InputSpec, LocalTraining
from stalefl.records.inversion_folder import InversionFolder
from stalefl.records.run_data import RunData, write_run_data
from stalefl.records.run_folder import RunFolder
from stalefl.records.run_groups import read_run_groups
from stalefl.report.page.pictures import inversion_pictures, partition_pictures, setting_pictures
from stalefl.storage import save_tree
from tests.report.stored_runs import finished

SPEC = InputSpec((1, 2, 2), 10, ((0.0,), (1.0,)))


def with_data(folder: RunFolder, late: int = 1) -> None:
    write_run_data(folder.data, RunData(np.eye(4, 10, dtype=np.int64), (late,), SPEC))


def captions(place: Path) -> list[str]:
    [group] = read_run_groups([place]).groups
    return [picture.caption for picture in setting_pictures(group)]


def test_delays_have_a_picture_only_where_they_differ(tmp_path: Path) -> None:
    finished(tmp_path / "0", "weighted", 0, delay=3)
    assert captions(tmp_path) == ["Accuracy on class 5 over rounds.", "Accuracy on all classes over rounds."]
    finished(tmp_path / "1", "weighted", 1, delay=4)
    first, _, delays = captions(tmp_path)
    assert first.endswith("; lines: means of 2 seeds, bands: ± one standard deviation.")
    assert delays.endswith("Of the first seed: 1 late update, by 3 rounds.")


def test_errors_of_estimates_have_a_picture_where_an_oracle_measured_them(tmp_path: Path) -> None:
    update = {"client": 3, "staleness_rounds": 1, "weight": 2.0, "iterations": 0}
    late = {"late_updates": [update], "oracle": True, "stale_error": {"l1": 0.8, "cosine": 0.2}}
    measured = {**late, "estimate_error": {"l1": 0.3, "cosine": 0.1}}
    finished(tmp_path / "unweighted", "unweighted", 0, changes={**late, "estimate_error": late["stale_error"]})
    assert len(captions(tmp_path)) == 2
    finished(tmp_path / "inversion", "inversion", 0, changes=measured)
    assert captions(tmp_path)[-1].startswith("How far late updates, and the estimates made of them, are from")


def test_a_run_that_kept_its_d_rec_shows_it(tmp_path: Path) -> None:
    folder = finished(tmp_path / "run", "inversion", 0, iterations=5)
    with_data(folder)
    memory = {"inputs": torch.rand(8, 1, 2, 2), "label_logits": torch.rand(8, 10)}
    recovered = dict.fromkeys((9, 2, 7, 4), memory)
    save_tree(folder.checkpoint, {"simulation": {"method_state": {"recovered": recovered}}, "seconds": 1.0})
    assert captions(tmp_path)[-1].startswith("D_rec of inversion, seed 0")
    assert "(3 of 4 clients)" in captions(tmp_path)[-1]
    folder.data.unlink()
    assert len(captions(tmp_path)) == 2


def test_what_a_plugin_keeps_under_that_name_is_no_d_rec(tmp_path: Path) -> None:
    folder = finished(tmp_path / "run", "inversion", 0, iterations=5)
    with_data(folder)
    for state in ({"recovered": {3: {"inputs": torch.rand(8, 5), "label_logits": torch.rand(8, 10)}}}, {}):
        save_tree(folder.checkpoint, {"simulation": {"method_state": state}, "seconds": 1.0})
        assert len(captions(tmp_path)) == 2


def test_a_partition_that_settings_share_is_drawn_once(tmp_path: Path) -> None:
    for number, (lr, late) in enumerate(((0.1, 1), (0.2, 1), (0.3, 2))):
        with_data(finished(tmp_path / f"{number}", "weighted", 0, training={"lr": lr}), late)
    pictures = list(partition_pictures(read_run_groups([tmp_path])))
    assert [picture.caption.partition("Where ")[2] for picture in pictures] == [
        "training.lr = 0.1; or training.lr = 0.2.",
        "training.lr = 0.3.",
    ]
    assert all(picture.wide for picture in pictures)
    finished(tmp_path / "older" / "run", "weighted", 0)
    assert list(partition_pictures(read_run_groups([tmp_path / "older"]))) == []


def test_what_invert_left_beside_the_runs(tmp_path: Path, plain_picture: bytes) -> None:
    finished(tmp_path / "run", "weighted", 0)
    place = tmp_path / "run" / "inverted"
    place.mkdir()
    (place / "recovered.png").write_bytes(plain_picture)
    assert not read_run_groups([tmp_path]).inversions
    error = {"l1": 0.25, "cosine": 0.1}
    result: dict[str, Any] = {
        **{"schema": 1, "model": "mlp", "dataset": "digits", "client": 3, "round": 9, "staleness_rounds": 4},
        **{"samples": 10, "training": asdict(LocalTraining(local_epochs=1, lr=0.1)), "options": {}, "size": 2},
        **{"iterations": 5, "seconds": 0.5, "first_loss": 1.0, "last_loss": 0.1, "explained": True},
        **{"fit_error": error, "noise_error": error, "stale_error": None, "estimate_error": None},
        **{"anchored_estimate_error": None, "true_update_size": None},
        **{"label_shares": [0.5, 0.5], "true_label_shares": None},
    }
    InversionFolder(place).write_result(result)
    [picture] = inversion_pictures(read_run_groups([tmp_path]).inversions)
    says = "D_rec of client 3, round 9, 4 rounds late; the update that it gives is off by 25% (relative L1)"
    assert picture.caption == f"{place}: {says}"


@pytest.fixture
def plain_picture(tmp_path: Path) -> bytes:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    return (tmp_path / "plain.png").read_bytes()
