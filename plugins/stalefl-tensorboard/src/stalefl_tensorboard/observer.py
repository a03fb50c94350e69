"""tensorboard: a run as events that TensorBoard shows, in the folder ``tensorboard`` of the run.

    tensorboard --logdir RUNS

Everything but pictures follows from rounds.jsonl, so that a run which is observed only from its middle on has all its
curves all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from pydantic import Field
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import summary

from stalefl.contracts import Observer, Options, State, Watched
from stalefl_tensorboard.events import EventFile
from stalefl_tensorboard.pictures import picture, recovered_data
from stalefl_tensorboard.scalars import scalars
from stalefl_tensorboard.settings import as_hyperparameters, as_text

FOLDER = "tensorboard"
TEXTS = ("tokens", "embedding")
"""Spaces of inputs that are not drawn: what is recovered are vectors, and only the model can tell their words."""
METRICS = ("accuracy/overall", "accuracy/affected class", "loss/test")
"""Curves whose last values TensorBoard shows beside the hyperparameters."""


class TensorBoardOptions(Options):
    pictures_every_rounds: int = Field(
        10, ge=0, description="draw D_rec, of methods that recover data, in every so many rounds; 0: never"
    )
    pictures_of_clients: int = Field(2, ge=1, description="of how many late clients, those of the smallest ids")
    per_class: bool = Field(False, description="a curve for the accuracy on each class")


class TensorBoard(Observer):
    summary = "TensorBoard events of every round: accuracy, loss, late updates, errors, staleness, settings, D_rec"
    Options = TensorBoardOptions
    options: TensorBoardOptions

    def begin(self, watched: Watched) -> None:
        self.watched = watched
        self.file = EventFile(watched.folder / FOLDER, len(watched.records))
        text, hyperparameters = as_text(watched.settings), as_hyperparameters(watched.settings)
        described = summary.hparams(hyperparameters, dict.fromkeys(METRICS, 0.0))
        *self.described, self.session_end = described
        self.file.add(0, summary.text("settings", text), *self.described)
        for record in watched.records:
            if record["round"] not in self.file.rounds:
                self.file.add(record["round"], *self._curves(record))

    def observe(self, record: Mapping[str, Any], method_state: State) -> None:
        self.file.add(record["round"], *self._curves(record), *self._pictures(record, method_state))

    def end(self, result: Mapping[str, Any] | None) -> None:
        if result is not None:
            self.file.add(0, self.session_end)
        self.file.close()

    def _curves(self, record: Mapping[str, Any]) -> Iterator[Summary]:
        for name, value in scalars(record, self._class_names if self.options.per_class else ()).items():
            yield summary.scalar(name, value)
        if staleness := record["staleness_rounds"]:
            edges = np.arange(min(staleness), max(staleness) + 2) - 0.5
            yield summary.histogram("staleness of late updates, rounds", np.array(staleness), edges)

    @property
    def _class_names(self) -> tuple[str, ...]:
        spec = self.watched.input_spec
        return spec.class_names or tuple(map(str, range(spec.classes)))

    def _pictures(self, record: Mapping[str, Any], method_state: State) -> Iterator[Summary]:
        """D_rec of the first clients whose late updates came in this round; none of texts."""
        every, t = self.options.pictures_every_rounds, record["round"]
        if not every or t % every or self.watched.input_spec.space in TEXTS:
            return
        found, late = recovered_data(method_state), {update["client"] for update in record["late_updates"]}
        kind = self.watched.settings["method"]["options"].get("labels", "soft")
        for client in sorted(late & set(found))[: self.options.pictures_of_clients]:
            data, title = found[client], f"client {client}, round {t}"
            drawn = picture(data["inputs"], data["label_logits"], kind, self.watched.input_spec, title)
            yield Summary(value=[Summary.Value(tag=f"D_rec/client {client}", image=drawn)])
