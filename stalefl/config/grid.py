"""A grid of experiments: an experiment file with a ``[grid]``, which names keys and the values that each of them takes.

```toml
base = "late.toml"                      # optional: a file whose tables hold where this one has none

[grid]
"staleness.rounds" = [10, 40]
"method.name" = ["unweighted", "inversion"]

[[grid.zip]]                            # keys that vary together
"data.dataset" = ["digits", "mnist"]
"model.name" = ["cnn-digits", "lenet"]
```

The cells are the product of the keys of ``[grid]`` and of the rows of each ``[[grid.zip]]``, the last varying fastest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from stalefl.config.explain import as_toml, nearest, one_line
from stalefl.config.loading import (
    GRID,
    Layer,
    TomlTables,
    build_experiment,
    change_layers,
    file_layers,
    method_options,
)
from stalefl.config.naming import METHOD, OPTIONS, cell_label
from stalefl.config.schema import Experiment, MethodTable
from stalefl.contracts import InputError

MOST_CELLS = 10_000
NOT_VARIED = {"run.seed": "run.seeds", "run.seeds": "run.seeds", "run.jobs": "--jobs"}
"""Keys that cannot be of a grid, and what is used instead."""
LONGEST_CELL_NAME = 100


class Axis(NamedTuple):
    """Keys that vary together, and the values that they take, one tuple for each point."""

    keys: tuple[str, ...]
    points: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Cell:
    """One point of a grid: what it is called, the grid's keys with their values there, and the experiment they make,
    of one method and ``run.seeds`` seeds."""

    name: str
    values: Mapping[str, Any]
    experiment: Experiment

    @property
    def label(self) -> str:
        return cell_label(self.values)


def load_grid(
    path: Path,
    overrides: Sequence[str] = (),
    flags: Mapping[str, Mapping[str, Any]] | None = None,
    scale: str = "",
) -> list[Cell]:
    """The cells of the grid file ``path``, each one valid. Raises InputError naming the file, the cell and the key.

    Options of one method make no further cells of the others.
    """
    files = file_layers(path, scale)
    grid: TomlTables = {}
    for layer in files:
        grid.update(_grid_table(path, layer.document))
    files, changes = [_without_grid(layer) for layer in files], change_layers(overrides, flags)
    axes = _axes(path, grid)
    if METHOD not in _keys(axes) and len(names := _methods_named([*files, *changes])) > 1:
        axes.append(Axis((METHOD,), tuple((name,) for name in names)))
    _check_axes(path, axes)
    _check_overrides(axes, overrides)
    methods = [point[axis.keys.index(METHOD)] for axis in axes if METHOD in axis.keys for point in axis.points]
    _check_options(path, files, list(dict.fromkeys(methods)))
    every = _distinct(_own(_values(axes, points), methods) for points in product(*(axis.points for axis in axes)))
    width = len(str(len(every)))
    return [
        Cell(f"{number:0{width}d}-{_slug(values)}", values, _experiment(path, values, methods, files, changes))
        for number, values in enumerate(every, start=1)
    ]


# --- the file -------------------------------------------------------------------------------------------------------


def _grid_table(path: Path, document: Mapping[str, Any]) -> Mapping[str, Any]:
    grid = document.get(GRID, {})
    if not isinstance(grid, Mapping):
        raise InputError(f"{path}: grid = {as_toml(grid)} is not a table; write [grid]")
    return grid


def _without_grid(layer: Layer) -> Layer:
    return Layer(layer.source, {table: keys for table, keys in layer.document.items() if table != GRID})


def _axes(path: Path, grid: Mapping[str, Any]) -> list[Axis]:
    if not grid:
        raise InputError(
            f'{path} has no table [grid]; valid: keys and lists of their values, as "staleness.rounds" = [10, 40]'
        )
    tables = grid.get("zip", [])
    tables = [tables] if isinstance(tables, Mapping) else tables
    if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
        raise InputError(f"{path}: grid.zip = {as_toml(tables)} is not a table; write [[grid.zip]]")
    axes = [
        Axis((key,), tuple((value,) for value in values))
        for key, values in _lists(path, {key: value for key, value in grid.items() if key != "zip"})
    ]
    return axes + [_zipped(path, dict(_lists(path, table))) for table in tables]


def _lists(path: Path, table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Keys and their values; a key may be written with quotation marks or without, which makes tables of it."""
    for name, values in table.items():
        key = f"{above}{name}"
        if isinstance(values, Mapping):
            yield from _lists(path, values, f"{key}.")
        elif isinstance(values, list) and values:
            yield key, values
        else:
            raise InputError(f"{path}: grid key {key} = {as_toml(values)} is not valid; valid: a list of values")


def _zipped(path: Path, lists: Mapping[str, list[Any]]) -> Axis:
    lengths = {key: len(values) for key, values in lists.items()}
    if len(set(lengths.values())) != 1:
        counted = ", ".join(f"{key} has {length}" for key, length in lengths.items()) or "it is empty"
        raise InputError(f"{path}: grid.zip: {counted}; valid: keys with lists of one length")
    return Axis(tuple(lists), tuple(zip(*lists.values(), strict=True)))


def _methods_named(layers: Sequence[Layer]) -> Sequence[Any]:
    """The methods of a list, which the last layer that names any gives."""
    for layer in reversed(layers):
        table = layer.document.get("method")
        if isinstance(table, Mapping) and "name" in table:
            return table["name"] if isinstance(table["name"], list) else ()
    return ()


# --- what can be varied ---------------------------------------------------------------------------------------------


def _keys(axes: Sequence[Axis]) -> list[str]:
    return [key for axis in axes for key in axis.keys]


def _check_axes(path: Path, axes: Sequence[Axis]) -> None:
    keys = _keys(axes)
    for key in keys:
        table, dot, rest = key.partition(".")
        if not dot or not rest:
            raise InputError(f'{path}: grid key {key}: valid: TABLE.KEY, as "staleness.rounds"')
        if table not in Experiment.model_fields:
            raise InputError(
                f"{path}: grid key {key}: no table {as_toml(table)}; {nearest(table, Experiment.model_fields)}"
            )
        if key in NOT_VARIED:
            raise InputError(f"{path}: grid key {key} cannot be varied; valid instead: {NOT_VARIED[key]}")
        if keys.count(key) > 1:
            raise InputError(f"{path}: grid key {key} is there twice; valid: once")
        if below := next((other for other in keys if other.startswith(f"{key}.")), ""):
            raise InputError(f"{path}: grid key {below} is a part of grid key {key}; valid: one of the two")
    for axis in axes:
        for point in axis.points:
            if axis.points.count(point) > 1:
                text = ", ".join(f"{key} = {as_toml(value)}" for key, value in zip(axis.keys, point, strict=True))
                raise InputError(f"{path}: grid: {text} is there twice; valid: once")
        if METHOD in axis.keys:
            _check_methods(path, [point[axis.keys.index(METHOD)] for point in axis.points])
    if (cells := math.prod(len(axis.points) for axis in axes)) > MOST_CELLS:
        raise InputError(f"{path}: the grid has {cells} cells; valid: up to {MOST_CELLS}")


def _check_methods(path: Path, names: Sequence[Any]) -> None:
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"{path}: grid key {METHOD}: {as_toml(name)} is not valid; valid: the name of one method")


def _check_options(path: Path, files: Sequence[Layer], methods: Sequence[str]) -> None:
    """Where the grid alone names methods, and several, the files' options stand under their names."""
    tables = [table for layer in files if isinstance(table := layer.document.get("method"), Mapping)]
    if len(methods) < 2 or any("name" in table for table in tables):
        return
    for key in (key for table in tables if isinstance(own := table.get("options"), Mapping) for key in own):
        if key not in methods:
            raise InputError(
                f"{path}: {OPTIONS}.{key} belongs to no method of the grid ({', '.join(methods)}); valid: under its "
                f"method, as {OPTIONS}.NAME.{key}"
            )


def _check_overrides(axes: Sequence[Axis], overrides: Sequence[str]) -> None:
    for text in overrides:
        key = text.partition("=")[0].strip()
        if key in _keys(axes):
            raise InputError(f"--set {one_line(text)}: {key} is varied by the grid; valid: a key that is not")


# --- cells ----------------------------------------------------------------------------------------------------------


def _values(axes: Sequence[Axis], points: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    return {
        key: value
        for axis, point in zip(axes, points, strict=True)
        for key, value in zip(axis.keys, point, strict=True)
    }


def _own(values: Mapping[str, Any], methods: Sequence[str]) -> dict[str, Any]:
    """A cell's values without the options of other methods than its own."""
    others = tuple(f"{OPTIONS}.{name}." for name in methods if name != values[METHOD])
    return {key: value for key, value in values.items() if not key.startswith(others)}


def _distinct(every: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({repr(values): values for values in every}.values())


def _experiment(
    path: Path, values: Mapping[str, Any], methods: Sequence[str], files: Sequence[Layer], changes: Sequence[Layer]
) -> Experiment:
    """The experiment of one cell. It is read as one that compares all methods of the grid, so that the options of each
    may stand under [method.options.NAME]; then all but the cell's own are left out. The options of a single one may
    stand under [method.options] as well."""
    document = _nested({key: value for key, value in values.items() if key != METHOD})
    names = list(dict.fromkeys(methods))
    by_name = len(names) > 1 or any(key.startswith(f"{OPTIONS}.{name}.") for key in values for name in names)
    named = {"method": {"name": names if by_name else names[0]}} if names else {}
    try:
        experiment = build_experiment(files, [*changes, Layer("", document), Layer("", named)])
    except InputError as error:
        raise InputError(f"{path}: cell {cell_label(values)}: {error}") from error
    if METHOD not in values:
        return experiment
    name = values[METHOD]
    method = MethodTable(name=name, options=method_options(experiment.method, name))
    return experiment.model_copy(update={"method": method})


def _nested(values: Mapping[str, Any]) -> TomlTables:
    document: TomlTables = {}
    for key, value in values.items():
        *tables, last = key.split(".")
        place = document
        for table in tables:
            place = place.setdefault(table, {})
        place[last] = value
    return document


def _slug(values: Mapping[str, Any]) -> str:
    """A folder's name: ``rounds=10-method=inversion``."""
    return re.sub(r"[^A-Za-z0-9.=_]+", "-", cell_label(values)).strip("-.")[:LONGEST_CELL_NAME]
