"""Conditions on what an audit may find, like ``psnr>20``: where one holds of a cell, the audit has failed."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from stalefl.audit.measure.metrics import METRICS, MetricValues
from stalefl.contracts import InputError

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}

Cells = Mapping[str, MetricValues]
"""A cell's name, and its value of every metric."""


class Condition(NamedTuple):
    """``metric`` compared with ``value``; it holds where the audit is to fail."""

    metric: str
    op: str
    value: float

    def __str__(self) -> str:
        return f"{self.metric}{self.op}{self.value:g}"

    def holds(self, values: MetricValues) -> bool | None:
        """None where the metric is not known."""
        found = values.get(self.metric)
        return None if found is None else _OPERATORS[self.op](found, self.value)


class Violation(NamedTuple):
    """A condition that holds of a cell, and the cell's value."""

    cell: str
    condition: Condition
    value: float

    def __str__(self) -> str:
        return f"{self.cell}: {self.condition.metric} is {self.value:.4g}, which is {self.condition}"


def parse_condition(text: str) -> Condition:
    """Raises InputError that names the part that is not valid, and what would be."""
    parts = re.fullmatch(r"\s*([\w-]*)\s*(>=|<=|>|<)\s*(\S+)\s*", text)
    if not parts:
        raise InputError(f'condition "{text}" is not valid; valid: METRIC, one of {", ".join(_OPERATORS)}, a number')
    metric, op, number = parts.groups()
    metric = metric.replace("-", "_")
    if metric not in METRICS:
        raise InputError(f'condition "{text}": unknown metric "{metric}"; valid: {", ".join(METRICS)}')
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f'condition "{text}": "{number}" is no number')
    return Condition(metric, op, value)


def violations(cells: Cells, conditions: Sequence[Condition]) -> list[Violation]:
    """Where conditions hold, cell by cell."""
    return [
        Violation(cell, condition, values[condition.metric] or 0.0)
        for cell, values in cells.items()
        for condition in conditions
        if condition.holds(values)
    ]


def unanswered(cells: Cells, conditions: Sequence[Condition]) -> list[Condition]:
    """Conditions on a metric that no cell has a value of: that none is violated says nothing."""
    return [c for c in conditions if all(c.holds(values) is None for values in cells.values())]
