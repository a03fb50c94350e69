from __future__ import annotations

import json

import torch

from stalefl.records.environment import environment


def test_environment_is_json() -> None:
    facts = environment("cpu", threads=2)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["torch"] == torch.__version__
    assert facts["threads"] == 2
