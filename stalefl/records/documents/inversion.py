"""The ``result.json`` of an inversion."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from stalefl.records.documents.common import (
    Count,
    RoundNumber,
    SchemaNumber,
    TrainingSettings,
    UpdateErrorRecord,
    document,
)


@document
class InversionResult(TypedDict):
    """What `stalefl invert` recovered from one update, and how it compares with whatever is known. Null: not known."""

    schema: SchemaNumber
    """the number of the document's form"""
    model: str
    """the model's name"""
    dataset: str
    """the data set's name"""
    client: Count | None
    """the client's number, from 0; null for an update from a file"""
    round: RoundNumber | None
    """the round in which the update arrived; null for an update from a file"""
    staleness_rounds: Count | None
    """the update's delay, in rounds; null for an update from a file"""
    samples: Count | None
    """how many samples the client trained on"""
    training: TrainingSettings
    """the local training behind the update"""
    options: dict[str, Any]
    """options of the recovery, by name"""
    size: Count
    """samples in D_rec"""
    iterations: Count
    """iterations of the recovery"""
    seconds: float
    """seconds of the recovery"""
    first_loss: float | None
    """loss of the first iteration; null if not finite"""
    last_loss: float | None
    """loss of the last iteration; null if not finite"""
    explained: bool
    """whether D_rec explains the update: `fit_error.l1` is at most 0.5"""
    fit_error: UpdateErrorRecord
    """distance of the update that D_rec gives from the observed one, both from the base weights"""
    noise_error: UpdateErrorRecord | None
    """the same for the update that random inputs and labels give"""
    stale_error: UpdateErrorRecord | None
    """error of the observed update as it came"""
    estimate_error: UpdateErrorRecord | None
    """error of the update that D_rec gives from the current model"""
    anchored_estimate_error: UpdateErrorRecord | None
    """error of that update with what persists of the part which D_rec leaves unexplained"""
    true_update_size: float | None
    """L1 norm of the true fresh update, relative to that of the observed one"""
    label_shares: list[float | None]
    """shares of the classes in D_rec's labels, from 0 to 1; null if not finite"""
    true_label_shares: list[float] | None
    """shares of the classes in the client's own labels, from 0 to 1"""
