"""The comparison with the best baseline as cells of a table, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stalefl.formatting import MISSING
from stalefl.records.ranking import REFERENCES
from stalefl.report.conclusions.significance import FEWEST_SEEDS, NONE_SHARED, TOO_FEW_SEEDS, Difference
from stalefl.report.conclusions.winners import Contest

COMPARISON_HEADERS = ("against best baseline\n95 % interval", "verdict")
"""Headers of ``comparison_cells``."""
BEST_BASELINE, REFERENCE = "best baseline", "reference"


def comparison_cells(contest: Contest, method: str) -> tuple[str, str]:
    """The difference of a method from the best baseline, and the verdict."""
    if method in REFERENCES:
        return MISSING, REFERENCE
    if method == contest.baseline:
        return MISSING, BEST_BASELINE
    if method not in contest.differences:
        return MISSING, MISSING
    return difference_text(contest.differences[method]), contest.verdicts[method]


def difference_text(found: Difference | None) -> str:
    """As "+0.150" over "+0.101 to +0.199"."""
    if found is None:
        return MISSING
    interval = " to ".join(f"{end:+.3f}" for end in found.interval or ())
    return f"{found.mean:+.3f}" + (f"\n{interval}" if interval else "")


def significance_notes(contests: Sequence[Contest]) -> Iterator[str]:
    """What the columns of the comparison mean; of the verdicts those that occur."""
    words = {word for contest in contests for word in contest.verdicts.values()}
    if not words:
        return
    yield (
        "against best baseline: difference in accuracy on the affected class after late, over the seeds that both ran "
        "(which share partition, delays and initial weights); below it its 95 % interval, by a paired t-test. Best "
        "baseline: the best method that inverts nothing and is no reference"
    )
    if words - {TOO_FEW_SEEDS, NONE_SHARED}:
        yield (
            "better, worse: more than seeds may differ by, with all comparisons of the setting counted (Holm, 5 %); "
            "perhaps: only if it were the one comparison; not told apart: no more than seeds may differ by, which "
            "does not mean equal: with few seeds only large differences can be told"
        )
    if TOO_FEW_SEEDS in words:
        yield f"{TOO_FEW_SEEDS}: fewer than {FEWEST_SEEDS}, which cannot say whether a difference is more than chance"
    if NONE_SHARED in words:
        yield f"{NONE_SHARED}: methods that ran with other seeds had other data and delays, and are not compared"
