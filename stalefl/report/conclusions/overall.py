"""Which method where: what stands at the top of the page, in words and for several settings as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stalefl.config.naming import short_names, value_text
from stalefl.formatting import MISSING, seconds_text
from stalefl.records.metrics import server_cost
from stalefl.records.ranking import REFERENCES
from stalefl.report.conclusions.cells import BEST_BASELINE, difference_text
from stalefl.report.conclusions.one_setting import setting_in_words
from stalefl.report.conclusions.significance import BETTER
from stalefl.report.conclusions.winners import Contest

LEAST_GAP = 0.01
"""In accuracy, between nobody late and the best baseline; less is not worth a rescue."""


class Conclusions(NamedTuple):
    """Sentences, and for several settings a row for each under ``headers``, of which the first ``keys`` cells name it.

    ``margins``, where several keys vary, has a row for each value of each of them: how often which method is best.
    """

    sentences: Sequence[str]
    keys: int = 0
    headers: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    margins: Sequence[Sequence[str]] = ()


def conclusions(contests: Sequence[Contest]) -> Conclusions:
    if len(contests) == 1:
        return Conclusions(list(setting_in_words(contests[0])))
    keys = list(dict.fromkeys(key for contest in contests for key in contest.group.values))
    headers = [
        *short_names(keys).values(),
        "best method",
        "verdict",
        "its\naccuracy",
        "against best baseline\n95 % interval",
        "best\nbaseline",
        "its\naccuracy",
        "with nobody\nlate",
        "server\u00a0seconds\na\u00a0late\u00a0update,\nbest",
        "server\u00a0seconds\na\u00a0late\u00a0update,\nbaseline",
    ]
    rows = [[*(_value(contest, key) for key in keys), *_figures(contest)] for contest in contests]
    return Conclusions(list(_overall(contests)), len(keys), headers, rows, list(_margins(contests, keys)))


def _overall(contests: Sequence[Contest]) -> Iterator[str]:
    """In how many settings each method is highest, and surely so, and in how many there is nothing to rescue."""
    settings = f"of {len(contests)} settings"
    for method, count in Counter(contest.best for contest in contests if contest.best).most_common():
        won = [contest for contest in contests if contest.best == method]
        surely = sum(contest.verdicts.get(method) == BETTER for contest in won)
        rivals = any(contest.baseline not in (None, method) for contest in won)
        how = (
            f"; above the best baseline by more than seeds may differ by in {surely or 'none'} of them"
            if rivals
            else ""
        )
        yield f"{method} is highest in {count} {settings}{how}."
    if idle := sum(_nothing_to_rescue(contest) for contest in contests):
        yield f"In {idle} {settings} there is nothing to rescue: the best baseline is as good as if nobody were late."
    metrics = {contest.metric for contest in contests if contest.metric}
    if metrics:
        yield f"Best: by {' or '.join(sorted(metrics))}."


def _nothing_to_rescue(contest: Contest) -> bool:
    without_late = contest.mean(REFERENCES[0])
    baseline = contest.mean(contest.baseline) if contest.baseline else None
    return without_late is not None and baseline is not None and without_late - baseline < LEAST_GAP


def _margins(contests: Sequence[Contest], keys: Sequence[str]) -> Iterator[Sequence[str]]:
    if len(keys) < 2:
        return
    for key in keys:
        for value in dict.fromkeys(_value(contest, key) for contest in contests):
            best = Counter(contest.best for contest in contests if contest.best and _value(contest, key) == value)
            yield f"{key} = {value}", ", ".join(f"{method} {count}" for method, count in best.most_common()) or MISSING


def _value(contest: Contest, key: str) -> str:
    return value_text(contest.group.values[key]) if key in contest.group.values else MISSING


def _figures(contest: Contest) -> list[str]:
    best, baseline = contest.best, contest.baseline
    if best is None:
        return [MISSING] * 9
    return [
        best,
        BEST_BASELINE if best == baseline else contest.verdicts.get(best, MISSING),
        _mean(contest, best),
        difference_text(contest.differences.get(best)),
        baseline or MISSING,
        _mean(contest, baseline),
        _mean(contest, REFERENCES[0]),
        _each(contest, best),
        _each(contest, baseline),
    ]


def _mean(contest: Contest, method: str | None) -> str:
    mean = contest.mean(method) if method else None
    return MISSING if mean is None else f"{mean:.3f}"


def _each(contest: Contest, method: str | None) -> str:
    return seconds_text(server_cost([run.records for run in contest.group.methods[method]]).each) if method else MISSING
