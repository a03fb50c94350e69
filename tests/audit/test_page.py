from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stalefl.audit.attempts import all_attempts, make_attempts
from stalefl.audit.audit import Audit
from stalefl.audit.document import audit_document
from stalefl.audit.outcome import Networks, measure
from stalefl.audit.page import write_audit_page
from stalefl.audit.pictures import draw_pictures
from stalefl.machine.processes import new_stop
from tests.audit.problem import opened, recovered, truth, write, write_all


@pytest.fixture
def networks(user_cache: Path) -> Networks:
    return Networks(cache=user_cache / "stalefl" / "classifiers")


def page_of(audit: Audit, networks: Networks) -> tuple[str, list[str]]:
    outcome = measure(audit, networks)
    pictures = draw_pictures(audit, outcome)
    write_audit_page(audit, audit_document(audit, outcome), pictures)
    return audit.folder.page.read_text(), pictures


def test_the_page_has_verdict_figures_and_pictures_in_one_file(tmp_path: Path, networks: Networks) -> None:
    defences = ["none", "clip=1, gaussian=2"]
    audit = opened(tmp_path / "out", audit={"defences": defences, "fail_if": ["psnr>20", "relative_rmse<1"]})
    write_all(audit, exact=True)
    text, pictures = page_of(audit, networks)
    assert pictures == ["idlg"]
    for said in (
        "<h1>Privacy audit: mlp on digits</h1>",
        "2 clients; samples: 1; local program: 1 epoch, full batch, sgd with lr 0.1",
        "<li>none: samples readable (idlg: median PSNR 100.0 dB)",
        "Condition met: idlg under none: psnr is 100, which is psnr&gt;20",
        "Condition not answered: no cell has a value for relative_rmse&lt;1",
        '<span class="readable">readable</span>',
        "(strangers)",
        "lpips: classifier features; fid: classifier features",
        "one update is (epsilon ",
        "iterations 7",
    ):
        assert said in text, said
    sources = re.findall(r'(?:src|href)="([^"]*)', text)
    assert len(sources) == 1
    assert sources[0].startswith("data:image/png;base64,")
    assert not re.search(r"https?:|@import|url\(|<script", text)


def test_what_is_missing_is_said(tmp_path: Path, networks: Networks) -> None:
    audit = opened(tmp_path / "out", audit={"samples": 2, "attacks": ["idlg", "dlg"], "options": {}})
    write(all_attempts(audit)[0], recovered(truth(audit, 0).targets, truth(audit, 0).inputs))
    text, _ = page_of(audit, networks)
    assert "not made: the client trains on 2 samples" in text
    assert "1 of 2 clients so far" in text


def test_without_truth_there_are_pictures_and_no_figures(tmp_path: Path, networks: Networks) -> None:
    audit = opened(tmp_path / "out", known=False)
    assert make_attempts(audit, 1, lambda share: None, new_stop())
    text, pictures = page_of(audit, networks)
    assert pictures == ["idlg"]
    assert np.asarray(Image.open(audit.folder.picture("idlg")).convert("L")).std() > 5
    assert "<li>none: samples unknown (" in text
    assert "PSNR, median" not in text


def test_labels_alone_make_no_picture(tmp_path: Path, networks: Networks) -> None:
    audit = opened(tmp_path / "out")
    for attempt in all_attempts(audit):
        write(attempt, recovered(truth(audit, attempt.case).targets, None))
    text, pictures = page_of(audit, networks)
    assert (pictures, "<figure>" in text, "labels told" in text) == ([], False, True)
