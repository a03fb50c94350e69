"""``data.json`` of a run: which client holds how much of which class, who is late, and what the model's inputs are.

With it a page can be made where the data set is not at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stalefl.contracts import InputError, InputSpec
from stalefl.records.documents.common import SCHEMA
from stalefl.records.documents.run import DataSummary
from stalefl.records.json_files import read_document, write_document


@dataclass(frozen=True)
class RunData:
    """``counts`` [clients, classes] are samples, before any drift."""

    counts: NDArray[np.int64]
    late_clients: Sequence[int]
    spec: InputSpec


def write_run_data(path: Path, data: RunData) -> None:
    """Raises InputError if ``path`` cannot be written."""
    content = {
        "schema": SCHEMA,
        "class_counts": data.counts.tolist(),
        "late_clients": list(data.late_clients),
        "input": asdict(data.spec),
    }
    write_document(path, DataSummary, content, one_line=True)


def read_run_data(path: Path) -> RunData | None:
    """None where there is no such file, as in runs of older versions. Raises InputError for a damaged one."""
    if not path.is_file():
        return None
    content = read_document(path, DataSummary)
    try:
        counts = np.array(content["class_counts"], dtype=np.int64)
    except ValueError as error:
        raise InputError(
            f"{path} is damaged (class_counts: {error}); valid: as many classes at every client"
        ) from error
    return RunData(counts, tuple(content["late_clients"]), _spec(content["input"]))


def _spec(content: Mapping[str, Any]) -> InputSpec:
    low, high = content["value_range"]
    return InputSpec(
        shape=tuple(content["shape"]),
        classes=content["classes"],
        value_range=(tuple(low), tuple(high)),
        space=content["space"],
        class_names=tuple(content["class_names"]),
        channel_names=tuple(content.get("channel_names", ())),
    )
