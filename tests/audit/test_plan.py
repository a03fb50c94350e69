from __future__ import annotations

from typing import Any

import pytest

from stalefl.audit.plan import Plan, settings_of
from stalefl.contracts import InputError
from tests.audit.problem import experiment


def plan(**audit: Any) -> Plan:
    return Plan.of(experiment(audit=audit).audit)


def test_everything_is_named_as_it_is_written() -> None:
    found = plan(
        attacks=["dlg", "idlg"],
        options={"idlg": {"iterations": 3}},
        defences=["none", "sparsify=0.950,noise=1e-3"],
        restarts=3,
        fail_if=["psnr > 20"],
    )
    assert list(found.attacks) == ["dlg", "idlg"]
    assert settings_of(found.attacks["idlg"])["iterations"] == 3
    assert settings_of(found.attacks["dlg"])["iterations"] != 3
    assert list(found.defences) == ["none", "sparsify=0.95, noise=0.001"]
    assert [found.attempts_per_case(name) for name in found.attacks] == [3, 3]
    assert [str(condition) for condition in found.conditions] == ["psnr>20"]


def test_an_attack_that_draws_nothing_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = plan(attacks=["dlg"], options={}, restarts=3)
    monkeypatch.setattr(type(found.attacks["dlg"]), "draws", False)
    assert found.attempts_per_case("dlg") == 1


@pytest.mark.parametrize(
    ("audit", "message"),
    [
        ({"attacks": ["guess"], "options": {}}, 'unknown attack "guess"; valid: .*dlg'),
        ({"attacks": ["idlg", "idlg"]}, 'audit.attacks names "idlg" twice'),
        ({"attacks": [], "options": {}}, "audit.attacks is empty; valid: at least one"),
        ({"options": {"idlg": {"iterashuns": 3}}}, 'unknown "iterashuns"'),
        ({"options": {"idlg": {"iterations": 0}}}, "iterations = 0 is not valid"),
        ({"options": {"idlg": 3}}, r"audit.options.idlg is not a table; write \[audit.options.idlg\]"),
        ({"options": {"dlg": {}}}, r"audit.options.dlg belongs to no attack of this audit \(idlg\)"),
        ({"defences": []}, "audit.defences is empty"),
        ({"defences": ["shout=3"]}, 'defence "shout=3": "shout=3" is not valid; valid: "none", or steps'),
        ({"defences": ["none", "noise=1e-3", "noise=0.001"]}, 'audit.defences names "noise=0.001" twice'),
        ({"defences": ["gaussian=1"]}, "gaussian=1 needs a clip=NORM before it"),
        ({"fail_if": ["loudness>3"]}, 'unknown metric "loudness"; valid: psnr_median'),
    ],
)
def test_what_is_not_valid_is_named(audit: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        plan(**audit)
    assert "\n" not in str(caught.value)
