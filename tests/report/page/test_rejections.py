from __future__ import annotations

from stalefl.report.page.rejections import rejections_in_words


def test_how_many_of_whom_and_why() -> None:
    first = {
        "rejected_updates": 2,
        "rejections": [{"client": 3, "cause": "arrived"}, {"client": 4, "cause": "arrived"}],
    }
    second = {"rejected_updates": 1, "rejections": [{"client": 3, "cause": "aggregated"}]}
    quiet, older = {"rejected_updates": 0}, {"rejected_updates": 1}
    lines = list(rejections_in_words({"a": [[first, quiet], [second]], "b": [[quiet]], "c": [[older]]}))
    assert lines == [
        "a: 3 updates of 2 clients rejected (2: the update held NaN or infinity when it arrived; "
        "1: the new model would have, so that the whole round was left out)",
        "c: 1 update rejected (1: the cause was not recorded)",
    ]
