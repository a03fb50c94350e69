"""An experiment from its file, ``--set`` and the command line's flags, and back to TOML.

Order: defaults < base < file < scale < ``--set`` < flags. A file may name another as its ``base``, and hold changes to
itself under ``[scale.NAME]``, as ``[scale.small.run]``, which are made where that scale is asked for. Where ``--set``
or a flag names another data set, model or method than the file does, the file's options of the former are left out; of
observers likewise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tomli
import tomli_w
from pydantic import ValidationError

from stalefl.config.checks import conflicts
from stalefl.config.explain import Problem, as_toml, first_of, one_line, problems, validate
from stalefl.config.schema import Experiment, MethodTable
from stalefl.contracts import InputError

TomlTables = dict[str, Any]
BASE, SCALE, GRID = "base", "scale", "grid"
_NAMING_KEYS = {"data": "dataset", "drift": "dataset", "model": "name", "method": "name", "observers": "names"}


class Layer(NamedTuple):
    """One source of keys and how an error names it."""

    source: str
    document: Mapping[str, Any]


def load_experiment(
    path: Path | None = None,
    overrides: Sequence[str] = (),
    flags: Mapping[str, Mapping[str, Any]] | None = None,
    scale: str = "",
) -> Experiment:
    """The experiment of the file ``path`` (none: the defaults), at one of its scales if one is named, as changed by
    ``overrides`` and ``flags``.

    ``overrides`` are ``"table.key=value"`` strings, the value in TOML or a bare string; ``flags`` are tables of the
    keys set by the command line's own options. Raises InputError with one line that names the source, the key, the
    value and what would be valid.
    """
    if scale and path is None:
        raise InputError(f"--scale {one_line(scale)}: the defaults have one scale only; valid: with an experiment file")
    files = file_layers(path, scale) if path else [Layer("defaults", {})]
    if any(GRID in layer.document for layer in files):
        raise InputError(f"{path} has a table [{GRID}]: it is not one experiment but many; valid: stalefl sweep {path}")
    return build_experiment(files, change_layers(overrides, flags))


def file_layers(path: Path, scale: str = "") -> list[Layer]:
    """The tables of the file ``path`` above those of its base, and above both what they hold for ``scale``.

    Raises InputError if a file cannot be read, a base is no path or leads back to itself, or no file has that scale.
    """
    files = _with_bases(path)
    own = [Layer(str(file), {k: v for k, v in tables.items() if k not in (BASE, SCALE)}) for file, tables in files]
    if not scale:
        return own
    known = {name for _, tables in files for name in _scales(tables)}
    if scale not in known:
        valid = ", ".join(sorted(known)) if known else "a file with a table [scale.NAME]"
        raise InputError(f"--scale {one_line(scale)}: {path} has no such scale; valid: {valid}")
    scaled = [(file, _scales(tables)[scale]) for file, tables in files if scale in _scales(tables)]
    return own + [Layer(f"{file} [scale.{scale}]", tables) for file, tables in scaled]


def change_layers(overrides: Sequence[str], flags: Mapping[str, Mapping[str, Any]] | None) -> list[Layer]:
    """What the command line asks for: ``--set`` after ``--set``, then the flags."""
    changes = [Layer(f"--set {one_line(text)}", parse_override(text)) for text in overrides]
    return [*changes, Layer("command line", flags or {})]


def _with_bases(path: Path) -> list[tuple[Path, TomlTables]]:
    """The file and those it is based on, the lowest first."""
    found: list[tuple[Path, TomlTables]] = []
    step: Path | None = path
    while step is not None:
        if any(step.resolve() == file.resolve() for file, _ in found):
            raise InputError(f'{path}: base = "{step}" leads back to a file that is based on it; valid: another')
        document = read_toml(step)
        found.insert(0, (step, document))
        base = document.get(BASE, "")
        if not isinstance(base, str):
            raise InputError(f"{step}: base = {as_toml(base)} is not valid; valid: the path of an experiment file")
        step = step.parent / base if base else None
    return found


def _scales(document: TomlTables) -> Mapping[str, TomlTables]:
    scales = document.get(SCALE, {})
    if not isinstance(scales, Mapping) or not all(isinstance(tables, Mapping) for tables in scales.values()):
        raise InputError(f"scale = {as_toml(scales)} is not a table of changes; valid: tables, as [scale.small.run]")
    return scales


def read_toml(path: Path) -> TomlTables:
    """A TOML file as nested dicts. Raises InputError if it cannot be read or is malformed (with line and column)."""
    try:
        return tomli.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not valid TOML: not a UTF-8 text file") from error
    except ValueError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def parse_override(text: str) -> TomlTables:
    """``"method.options.iterations=50"`` -> ``{"method": {"options": {"iterations": 50}}}``."""
    key, equals, value = text.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or len(parts) < 2 or not all(parts):
        raise InputError(f"--set {one_line(text)}: valid: --set TABLE.KEY=VALUE, as --set staleness.rounds=40")
    document: TomlTables = {parts[-1]: toml_value(value.strip())}
    for part in reversed(parts[:-1]):
        document = {part: document}
    return document


def toml_value(text: str) -> Any:
    """A value as TOML writes it; what is none is a string."""
    try:
        document = tomli.loads(f"value = {text}")
    except ValueError:
        return text
    return document["value"] if len(document) == 1 else text


def build_experiment(files: Sequence[Layer], changes: Sequence[Layer]) -> Experiment:
    """Merge all layers, later ones winning, and validate the whole. Raises InputError.

    ``files`` go one above the other; ``changes`` are what is asked for at the command line, in whatever order: options
    given there belong to the names given there.
    """
    asked: TomlTables = {}
    for layer in changes:
        asked = _merge(asked, layer.document)
    document: TomlTables = {}
    for above in [*(layer.document for layer in files), asked]:
        document = _merge(_without_foreign_options(document, above), above)
    layers = [*files, *changes]
    try:
        experiment = validate(Experiment, document)
    except ValidationError as error:
        raise _input_error(problems(error, Experiment, document), layers) from error
    if found := list(conflicts(experiment)):
        raise _input_error(found, layers)
    return experiment


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> TomlTables:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(value, Mapping) and isinstance(old, Mapping) else value
    return merged


def _without_foreign_options(below: TomlTables, above: Mapping[str, Any]) -> TomlTables:
    """``below`` without the options of a data set, model or method that ``above`` replaces."""
    result = dict(below)
    for table, key in _NAMING_KEYS.items():
        old, new = below.get(table), above.get(table)
        if isinstance(old, Mapping) and isinstance(new, Mapping) and "options" in old and key in new:
            default = Experiment.model_fields[table].default
            old_name = old.get(key, getattr(default, key))
            result[table] = {**old, "options": _options_for(new[key], old_name, old["options"])}
    return result


def _options_for(new: Any, old: Any, options: Any) -> Any:
    """The part of ``options`` (of the names ``old``) that is meant for the names ``new``."""
    if not isinstance(options, Mapping) or new == old:
        return options
    names = [new] if isinstance(new, str) else list(new) if isinstance(new, Sequence) else []
    already_by_name = bool(options) and all(k in names and isinstance(v, Mapping) for k, v in options.items())
    several_before = isinstance(old, Sequence) and not isinstance(old, str)
    by_name = dict(options) if several_before or already_by_name else {old: options}
    if isinstance(new, str):
        return by_name.get(new, {})
    return {name: by_name[name] for name in new if name in by_name} if isinstance(new, Sequence) else options


def _input_error(found: Sequence[Problem], layers: Sequence[Layer]) -> InputError:
    """One line, headed by the last layer that holds the key at fault, if any does."""
    source = next((layer.source for layer in reversed(layers) if _holds(layer.document, found[0].path)), "")
    return InputError(": ".join(filter(None, [source, one_line(first_of(found))])))


def _holds(document: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(document, Mapping) or name not in document:
            return False
        document = document[name]
    return True


def flat(document: Mapping[str, Any], above: str = "") -> TomlTables:
    """Nested tables as dotted keys; an empty table is left out."""
    keys: TomlTables = {}
    for key, value in document.items():
        keys |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return keys


def experiment_to_toml(experiment: Experiment) -> str:
    """The whole experiment, defaults included, as TOML; ``load_experiment`` reads it back unchanged."""
    return tomli_w.dumps(experiment.model_dump())


def method_names(method: MethodTable) -> tuple[str, ...]:
    """The methods of an experiment, one or several."""
    return (method.name,) if isinstance(method.name, str) else method.name


def method_options(method: MethodTable, name: str) -> dict[str, Any]:
    """The options of one method: ``[method.options]``, or ``[method.options.NAME]`` where several are compared."""
    if isinstance(method.name, str):
        return dict(method.options)
    return dict(method.options.get(name, {}))


def single_run(experiment: Experiment, method_name: str, seed: int) -> Experiment:
    """The experiment of one run of a comparison: one method with its options, one seed."""
    method = MethodTable(name=method_name, options=method_options(experiment.method, method_name))
    run = experiment.run.model_copy(update={"seed": seed, "seeds": 1})
    return experiment.model_copy(update={"method": method, "run": run})
