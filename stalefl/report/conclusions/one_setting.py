"""One setting in words: which method is best, by how much, whether seeds may differ by that, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stalefl.formatting import seconds_text, share_text
from stalefl.records.metrics import server_cost
from stalefl.records.ranking import REFERENCES
from stalefl.report.conclusions.significance import (
    BETTER,
    FEWEST_SEEDS,
    PERHAPS_BETTER,
    PERHAPS_WORSE,
    TOO_FEW_SEEDS,
    WORSE,
    Difference,
    paired_difference,
    verdict,
)
from stalefl.report.conclusions.winners import Contest

FROM_BASELINE = {WORSE: BETTER, PERHAPS_WORSE: PERHAPS_BETTER}


def setting_in_words(contest: Contest) -> Iterator[str]:
    """Which method is best in a setting, by how much, whether seeds may differ by that, and what it costs."""
    best, baseline = contest.best, contest.baseline
    if best is None:
        yield "No run of a method that competes has finished: there is no answer yet."
        return
    others = contest.ranked[1:]
    yield f"{best} has the highest {contest.metric}: {_score(contest, best)}."
    if not others:
        yield "No other method ran that it could be compared with."
    if baseline not in (None, best):
        yield _against(contest, best, str(baseline), "best baseline", contest.verdicts[best])
    if others and others[0] != baseline:
        yield _against(contest, best, others[0], "next best method", _apart(contest, best, others[0]))
    yield from _seeds(contest)
    yield from _costs(contest, [best, *([baseline] if baseline not in (None, best) else others[:1])])
    for reference in REFERENCES:
        if contest.mean(reference) is not None:
            yield f"With nobody late ({reference}) it would be {_score(contest, reference)}."


def _apart(contest: Contest, best: str, other: str) -> str:
    """The verdict on two methods; where one is the baseline, that of the table."""
    if best == contest.baseline:
        return FROM_BASELINE.get(contest.verdicts[other], contest.verdicts[other])
    found = paired_difference(contest.scores[best], contest.scores[other])
    return verdict(found, found.p_value if found else None)


def _score(contest: Contest, method: str) -> str:
    mean, seeds = contest.mean(method), len(contest.scores[method])
    return f"{mean:.3f}" + (f" (mean of {seeds} seeds)" if seeds > 1 else "")


def _against(contest: Contest, best: str, other: str, what: str, word: str) -> str:
    found = paired_difference(contest.scores[best], contest.scores[other])
    if found is None:
        return f"The {what}, {other}, has {contest.mean(other):.3f}, but with other seeds: they are not compared."
    less, sign = ("less", 1) if found.mean >= 0 else ("more", -1)
    ends = sorted(sign * end for end in found.interval or ())
    interval = f" (95 % interval {ends[0]:.3f} to {ends[1]:.3f})" if ends else ""
    on = f" on the {found.seeds} seeds of both" if found.seeds < len(contest.scores[best]) else ""
    apart = f"{abs(found.mean):.3f} {less}{interval}{on}"
    return f"The {what}, {other}, has {contest.mean(other):.3f}: {apart}, {_meaning(word, found)}."


def _meaning(word: str, found: Difference) -> str:
    if word == TOO_FEW_SEEDS:
        counted = f"{found.seeds} seed{'s' * (found.seeds != 1)}"
        return f"and {counted} cannot say whether that is chance ({FEWEST_SEEDS} or more can)"
    if word == BETTER:
        return "more than seeds may differ by"
    if word == PERHAPS_BETTER:
        return "by itself more than seeds may differ by, but not once all comparisons of this setting are counted"
    return "no more than seeds may differ by: the two are not told apart"


def _seeds(contest: Contest) -> Iterator[str]:
    """A mean over other seeds is one over other data."""
    counts = {method: len(contest.scores[method]) for method in contest.ranked}
    most = max(counts.values())
    if fewer := [f"{method} {count}" for method, count in counts.items() if count < most]:
        yield f"Means compare less well where there are fewer than {most} seeds: {', '.join(fewer)}."


def _costs(contest: Contest, methods: Iterable[str]) -> Iterator[str]:
    if texts := [text for method in methods if (text := _cost_in_words(contest, method))]:
        yield f"Server time: {'; '.join(texts)}."


def _cost_in_words(contest: Contest, method: str) -> str:
    cost = server_cost([run.records for run in contest.group.methods[method]])
    if cost.each is None:
        return ""
    share = share_text(cost.of_training)
    return f"{method} {seconds_text(cost.each)} s a late update (in all {share} of the clients' training)"
