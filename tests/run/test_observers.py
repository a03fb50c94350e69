from __future__ import annotations

from pathlib import Path

import pytest

from stalefl.contracts import Observer, Options
from stalefl.run.observers import observer_group
from stalefl.testing import example_records, example_watched


class Ear(Observer):
    def __init__(self, name: str, heard: list[str], deaf: bool = False) -> None:
        super().__init__(Options())
        self.name, self.heard, self.deaf = name, heard, deaf

    def begin(self, watched):
        if self.deaf:
            raise RuntimeError("deaf")
        self.heard.append(f"{self.name} begins")

    def observe(self, record, method_state):
        self.heard.append(f"{self.name} hears {record['round']}")

    def end(self, result):
        self.heard.append(f"{self.name} ends with {result}")


def test_all_are_told_in_order_and_the_last_is_told_the_end_first(tmp_path: Path) -> None:
    heard: list[str] = []
    with observer_group([Ear("a", heard), Ear("b", heard)], example_watched(tmp_path)) as group:
        group.observe(example_records()[0], {})
        group.result = {"rounds": 1}
    assert heard[:4] == ["a begins", "b begins", "a hears 1", "b hears 1"]
    assert heard[4:] == ["b ends with {'rounds': 1}", "a ends with {'rounds': 1}"]


def test_one_that_cannot_begin_leaves_no_other_without_an_end(tmp_path: Path) -> None:
    heard: list[str] = []
    with (
        pytest.raises(RuntimeError, match="deaf"),
        observer_group([Ear("a", heard), Ear("b", heard, deaf=True)], example_watched(tmp_path)),
    ):
        pass
    assert heard == ["a begins", "a ends with None"]
