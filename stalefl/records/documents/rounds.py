"""A line of ``rounds.jsonl``: what one round was and what it came to."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from stalefl.records.documents.common import AccuracyPair, Count, RoundNumber, UpdateErrorRecord, document


@document
class LateUpdateRecord(TypedDict):
    """A late update that was not rejected. Keys beyond these are the method's own facts: `inversion` tells `fit_loss`,
    `e1`, `e2`, `gamma`, `unique`, `distance` and `threshold`, `anchored-inversion` tells `alpha`, `beta`, `persisting`
    and `fit_loss`."""

    client: Count
    """the client's number, from 0"""
    staleness_rounds: Count
    """the update's delay, in rounds"""
    weight: float | None
    """the update's weight in the aggregation (FedAvg: samples); null if not finite"""
    iterations: Count
    """iterations that the method spent on the update"""
    estimate_error: NotRequired[UpdateErrorRecord | None]
    """only with an oracle: error of what the method made of the update"""
    stale_error: NotRequired[UpdateErrorRecord | None]
    """only with an oracle: error of the update as it came"""


@document
class ShadowUpdateRecord(TypedDict):
    """A late update as a shadow method saw it. Keys beyond this one are the shadow's own facts."""

    client: Count
    """the client's number, from 0"""


@document
class ShadowRecord(TypedDict):
    """What a shadow method would have made of the round's late updates."""

    estimate_error: UpdateErrorRecord | None
    """mean error of its estimates; null in a round without late updates"""
    iterations: Count
    """iterations that it spent in the round"""
    seconds: float
    """seconds that it took in the round"""
    late_updates: NotRequired[list[ShadowUpdateRecord]]
    """what it has to say of single updates; missing in runs of older versions"""


@document
class DriftRecord(TypedDict):
    """How far the clients' data have drifted from the first domain to the second."""

    replaced_share: float
    """share of all clients' samples that the second domain has replaced, from 0 to 1"""
    before: AccuracyPair
    """the model's accuracies on the first domain alone"""
    after: AccuracyPair
    """the model's accuracies on the second domain alone"""


@document
class RejectionRecord(TypedDict):
    """An update that was left out."""

    client: Count
    """the client's number, from 0"""
    cause: str
    """`arrived` (the update was not finite), `compensated` (what the method made of it was not), `aggregated` (the new
    model would not have been: the whole round was left out), in a federation also `unreadable`"""


@document
class RoundRecord(TypedDict):
    """One round. A line is added as the round ends."""

    round: RoundNumber
    """the round's number, from 1"""
    accuracy: float | None
    """accuracy of the new model on the test split, or a part of it (`evaluation.test_samples`), from 0 to 1; with drift
    on the mix that the clients then hold; null in a round that is not evaluated (`evaluation.every_rounds`)"""
    affected_class_accuracy: float | None
    """mean accuracy over the affected classes, from 0 to 1; null as `accuracy`, or without test samples of them"""
    per_class_accuracy: list[float | None] | None
    """accuracy of each class, from 0 to 1, null for a class without test samples; null as `accuracy`"""
    loss: float | None
    """mean cross-entropy on the same samples; null as `accuracy`, or if not finite"""
    participants: list[Count]
    """the clients of whom an update arrived, from 0"""
    stale_updates: Count
    """how many of the updates were late"""
    staleness_rounds: list[Count]
    """the delay of each late update, in rounds"""
    rejected_updates: Count
    """how many updates were left out, not being finite"""
    server_seconds: float
    """seconds of all the server's work"""
    client_seconds: float
    """seconds of all the clients' training"""
    inversion_iterations: Count
    """iterations that the method spent, 0 for one that does not iterate"""
    late_updates: NotRequired[list[LateUpdateRecord]]
    """one entry for each late update that was not rejected; missing in runs of older versions"""
    estimate_error: NotRequired[UpdateErrorRecord | None]
    """only with an oracle: mean error of the method's estimates over the round's late updates; null without any"""
    stale_error: NotRequired[UpdateErrorRecord | None]
    """only with an oracle: mean error of the late updates as they came; null without any"""
    shadows: NotRequired[dict[str, ShadowRecord]]
    """only with shadows: what each method of `[evaluation.shadows.LABEL]` would have made of the late updates"""
    drift: NotRequired[DriftRecord]
    """only with `[drift]`: how far the data have drifted by then"""
    rejections: NotRequired[list[RejectionRecord]]
    """only where updates were rejected: which, and why"""
