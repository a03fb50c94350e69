"""``data.json`` of a run: which client holds how much of which class, who is late, and what the model's inputs are.

With it a page can be made where the data set is not at hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stalefl.contracts import InputError, InputSpec
from stalefl.records.folders import SCHEMA, read_json
from stalefl.storage import write_whole


@dataclass(frozen=True)
class RunData:
    """``counts`` [clients, classes] are samples, before any drift."""

    counts: NDArray[np.int64]
    late_clients: Sequence[int]
    spec: InputSpec


def write_run_data(path: Path, data: RunData) -> None:
    """Raises InputError if ``path`` cannot be written."""
    facts = {
        "schema": SCHEMA,
        "class_counts": data.counts.tolist(),
        "late_clients": list(data.late_clients),
        "input": asdict(data.spec),
    }
    write_whole(path, json.dumps(facts).encode() + b"\n")


def read_run_data(path: Path) -> RunData | None:
    """None where there is no such file, as in runs of older versions. Raises InputError for a damaged one."""
    if not path.is_file():
        return None
    facts = read_json(path)
    try:
        counts = np.array(facts["class_counts"], dtype=np.int64)
        return RunData(counts, tuple(facts["late_clients"]), _spec(facts["input"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); valid: the JSON object that stalefl wrote") from error


def _spec(facts: dict[str, Any]) -> InputSpec:
    low, high = facts["value_range"]
    return InputSpec(
        shape=tuple(facts["shape"]),
        classes=facts["classes"],
        value_range=(tuple(low), tuple(high)),
        space=facts["space"],
        class_names=tuple(facts["class_names"]),
        channel_names=tuple(facts.get("channel_names", ())),
    )
