"""The other documents of a run: ``result.json``, ``environment.json`` and ``data.json``."""

from __future__ import annotations

from typing import Literal

from typing_extensions import NotRequired, TypedDict

from stalefl.records.documents.common import AccuracyPair, Count, RoundNumber, SchemaNumber, UpdateErrorRecord, document
from stalefl.records.documents.rounds import DriftRecord


@document
class FinalRound(TypedDict):
    """The figures of the last evaluated round."""

    accuracy: float | None
    """accuracy on the test split, from 0 to 1; null if no round was evaluated"""
    affected_class_accuracy: float | None
    """mean accuracy over the affected classes that have test samples, from 0 to 1; null without any"""
    per_class_accuracy: list[float | None] | None
    """accuracy of each class, from 0 to 1, null for a class without test samples; null if no round was evaluated"""
    loss: float | None
    """mean cross-entropy; null if no round was evaluated, or if not finite"""


@document
class BestRound(TypedDict):
    """The figures of the evaluated round with the highest accuracy on the affected classes; of equals the one with the
    higher overall accuracy, then the earlier one."""

    round: RoundNumber | None
    """the round's number; null if no round was evaluated"""
    accuracy: float | None
    """accuracy on the test split, from 0 to 1; null if no round was evaluated"""
    affected_class_accuracy: float | None
    """mean accuracy over the affected classes that have test samples, from 0 to 1; null without any"""
    per_class_accuracy: list[float | None] | None
    """accuracy of each class, from 0 to 1, null for a class without test samples; null if no round was evaluated"""
    loss: float | None
    """mean cross-entropy; null if no round was evaluated, or if not finite"""


@document
class RoundsToTarget(TypedDict):
    """The round from which the mean over 5 evaluated rounds stays at the target or above; null if there is none."""

    target: float
    """the accuracy aimed at (`evaluation.target_accuracy`), from 0 to 1"""
    accuracy: RoundNumber | None
    """the round for the overall accuracy"""
    affected_class_accuracy: RoundNumber | None
    """the round for the accuracy on the affected classes"""


@document
class ShadowMeans(TypedDict):
    """A shadow method over all late updates of a run."""

    estimate_error: UpdateErrorRecord
    """mean error of its estimates"""
    iterations_each: NotRequired[float | None]
    """iterations per late update; null if there were none; missing in runs of older versions"""
    seconds_each: NotRequired[float | None]
    """seconds per late update; missing in runs of older versions"""


@document
class RunResult(TypedDict):
    """The figures of a run, there once it is finished. `simulate --json` prints them for a single run."""

    schema: SchemaNumber
    """the number of the document's form"""
    method: str
    """the method's name"""
    dataset: str
    """the data set's name"""
    model: str
    """the model's name"""
    seed: int
    """the run's seed"""
    rounds: Count
    """how many rounds were run"""
    final: FinalRound
    """figures of the last evaluated round"""
    best: BestRound
    """figures of the best evaluated round"""
    rounds_to_target: RoundsToTarget
    """when the target accuracy was reached for good"""
    first_late_round: RoundNumber | None
    """the round of the first late update; for `unstale` that of the other methods; null if none is late"""
    mean_after_first_late: AccuracyPair
    """mean accuracies over the evaluated rounds from `first_late_round` on; null without one"""
    last_10: AccuracyPair
    """mean accuracies over the last 10 evaluated rounds"""
    stale_updates: Count
    """late updates in all rounds"""
    rejected_updates: Count
    """rejected updates in all rounds"""
    inversion_iterations: Count
    """iterations in all rounds"""
    server_seconds: float
    """seconds of the server's work in all rounds"""
    client_seconds: float
    """seconds of the clients' training in all rounds"""
    wall_seconds: float
    """seconds that the whole run took"""
    drift: NotRequired[DriftRecord]
    """only with `[drift]`: that of the last evaluated round"""
    stale_error: NotRequired[UpdateErrorRecord]
    """only with an oracle: mean error of the late updates as they came, over all of them"""
    estimate_error: NotRequired[UpdateErrorRecord]
    """only with an oracle: mean error of the method's estimates, over all late updates"""
    shadows: NotRequired[dict[str, ShadowMeans]]
    """only with shadows: the means of each, by its label"""


@document
class Environment(TypedDict):
    """What the figures of a run may depend on besides its configuration."""

    stalefl: str
    """version of stalefl"""
    python: str
    """version of Python"""
    torch: str
    """version of PyTorch"""
    numpy: str
    """version of NumPy"""
    platform: str
    """operating system and architecture"""
    device: str
    """`cpu`, or the name of the GPU"""
    threads: Count
    """threads of PyTorch (`run.threads`)"""
    started: str
    """when the run began, ISO 8601, UTC"""


@document
class ModelInputs(TypedDict):
    """What the model sees."""

    shape: list[Count]
    """shape of one input, without the batch"""
    classes: Count
    """how many classes there are"""
    value_range: tuple[list[float], list[float]]
    """the least and the greatest value of an input, one each for every channel"""
    space: Literal["pixels", "signal", "tokens", "embedding"]
    """what the values are"""
    class_names: list[str]
    """name of each class; empty if they have none"""
    tokens: NotRequired[list[str]]
    """for texts: what each token number stands for"""
    channel_names: NotRequired[list[str]]
    """for signals: name of each channel; missing in runs of older versions"""


@document
class DataSummary(TypedDict):
    """Which client holds how much of which class, who is late, and what the model's inputs are. With it a page can be
    made where the data set is not at hand."""

    schema: SchemaNumber
    """the number of the document's form"""
    class_counts: list[list[Count]]
    """samples of each class, one list for each client, before any drift"""
    late_clients: list[Count]
    """the late clients, from 0"""
    input: ModelInputs
    """what the model sees"""
