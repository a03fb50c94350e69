"""D_rec as pictures, drawn as stalefl draws it: images as images, series as curves. Texts are left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor

from stalefl.contracts import InputSpec, State
from stalefl.inversion.d_rec import labels_of
from stalefl.report.plots.inversion import draw_recovered

SAMPLES = 16
RGBA = 4


def recovered_data(method_state: State) -> Mapping[int, Mapping[str, Any]]:
    """By client what the method has recovered of its data, as ``inversion`` keeps it; empty for other methods."""
    found = method_state.get("recovered", {})
    kept = found if isinstance(found, Mapping) else {}
    return {client: data for client, data in kept.items() if {"inputs", "label_logits"} <= set(data)}


def picture(inputs: Tensor, label_logits: Tensor, label_kind: Any, spec: InputSpec, title: str) -> Summary.Image:
    """The first samples of D_rec, inputs [M, *shape] with label logits [M, K], each below its class."""
    labels = labels_of(label_logits, label_kind)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "recovered.png"
        draw_recovered(inputs[:SAMPLES], labels[:SAMPLES], spec, path, title)
        with Image.open(path) as drawn:
            width, height = drawn.size
        return Summary.Image(height=height, width=width, colorspace=RGBA, encoded_image_string=path.read_bytes())
