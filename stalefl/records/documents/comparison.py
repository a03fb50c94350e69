"""The documents of a comparison: ``comparison.json`` and ``summary.json``."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from stalefl.records.documents.common import Count, SchemaNumber, document


@document
class ComparisonIndex(TypedDict):
    """Of which runs the comparison consists."""

    schema: SchemaNumber
    """the number of the document's form"""
    methods: list[str]
    """names of the methods"""
    seeds: list[int]
    """seeds that every method runs with"""
    runs: list[str]
    """folders of the runs, relative to the comparison's: METHOD/seed-N"""


@document
class SeedSpread(TypedDict):
    """A figure over a method's seeds."""

    mean: float | None
    """mean over the seeds; null if any seed has no value"""
    spread: float | None
    """sample standard deviation over the seeds; null with one seed, or without a mean"""


@document
class ReachedSpread(TypedDict):
    """The round in which a target is reached, over a method's seeds."""

    mean: float | None
    """mean over the seeds; null if any seed does not reach the target"""
    spread: float | None
    """sample standard deviation over the seeds; null with one seed, or without a mean"""
    seeds_reached: Count
    """how many seeds reach the target"""


@document
class AccuracySpreads(TypedDict):
    """Both accuracies over a method's seeds."""

    accuracy: SeedSpread
    """overall accuracy"""
    affected_class_accuracy: SeedSpread
    """mean accuracy over the affected classes"""


@document
class TargetSpreads(TypedDict):
    """When the target accuracy is reached for good, over a method's seeds."""

    target: float
    """the accuracy aimed at, from 0 to 1"""
    accuracy: ReachedSpread
    """the round for the overall accuracy"""
    affected_class_accuracy: ReachedSpread
    """the round for the accuracy on the affected classes"""


@document
class ErrorSpreads(TypedDict):
    """An error of updates over a method's seeds."""

    l1: SeedSpread
    """relative L1 distance"""
    cosine: SeedSpread
    """cosine distance"""


@document
class ShadowSpreads(TypedDict):
    """A shadow over a method's seeds."""

    estimate_error: ErrorSpreads
    """error of its estimates"""


@document
class MethodSummary(TypedDict):
    """The figures of one method over its seeds; each is that of the runs' `result.json`."""

    seeds: list[int]
    """the seeds that have finished"""
    mean_after_first_late: AccuracySpreads
    """mean accuracies from the first late update on"""
    last_10: AccuracySpreads
    """mean accuracies over the last 10 evaluated rounds"""
    final: AccuracySpreads
    """accuracies in the last evaluated round"""
    best: AccuracySpreads
    """accuracies in the best evaluated round"""
    rounds_to_target: TargetSpreads
    """when the target accuracy is reached for good"""
    stale_error: NotRequired[ErrorSpreads]
    """only if all runs had an oracle: error of the late updates as they came"""
    estimate_error: NotRequired[ErrorSpreads]
    """only if all runs had an oracle: error of the method's estimates"""
    shadows: NotRequired[dict[str, ShadowSpreads]]
    """only with shadows that all runs had: their errors, by label"""
    server_seconds: SeedSpread
    """seconds of the server's work in a run"""
    client_seconds: SeedSpread
    """seconds of the clients' training in a run"""
    wall_seconds: SeedSpread
    """seconds that a run took"""
    rejected_updates: Count
    """rejected updates in all runs"""
    stale_updates: Count
    """late updates in all runs"""
    inversion_iterations: Count
    """iterations in all runs"""


@document
class ComparisonSummary(TypedDict):
    """The figures of all methods over their seeds. `simulate --json` prints them for a comparison."""

    schema: SchemaNumber
    """the number of the document's form"""
    best: str | None
    """the method with the highest accuracy on the affected classes after the first late update, `unstale` left out;
    null with fewer than two methods to compare"""
    methods: dict[str, MethodSummary]
    """the figures of each method, by its name"""
