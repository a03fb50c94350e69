"""An experiment from its file, ``--set`` and the command line's flags, and back to TOML.

Order: defaults < file < ``--set`` < flags. Where ``--set`` or a flag names another data set, model or method than the
file does, the file's options of the former are left out; of observers likewise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tomli
import tomli_w
from pydantic import ValidationError

from stalefl.config.checks import conflicts
from stalefl.config.explain import Problem, first_of, one_line, problems, validate
from stalefl.config.schema import Experiment, MethodTable
from stalefl.contracts import InputError

Document = dict[str, Any]
_NAMING_KEYS = {"data": "dataset", "drift": "dataset", "model": "name", "method": "name", "observers": "names"}


class Layer(NamedTuple):
    """One source of keys and how an error names it."""

    source: str
    document: Mapping[str, Any]


def load_experiment(
    path: Path | None = None,
    overrides: Sequence[str] = (),
    flags: Mapping[str, Mapping[str, Any]] | None = None,
) -> Experiment:
    """The experiment of the file ``path`` (none: the defaults) as changed by ``overrides`` and ``flags``.

    ``overrides`` are ``"table.key=value"`` strings, the value in TOML or a bare string; ``flags`` are tables of the
    keys set by the command line's own options. Raises InputError with one line that names the source, the key, the
    value and what would be valid.
    """
    file = Layer(str(path), read_toml(path)) if path else Layer("defaults", {})
    changes = [Layer(f"--set {one_line(text)}", parse_override(text)) for text in overrides]
    changes.append(Layer("command line", flags or {}))
    return build_experiment([file, *changes])


def read_toml(path: Path) -> Document:
    """A TOML file as nested dicts. Raises InputError if it cannot be read or is malformed (with line and column)."""
    try:
        return tomli.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not valid TOML: not a UTF-8 text file") from error
    except ValueError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def parse_override(text: str) -> Document:
    """``"method.options.iterations=50"`` -> ``{"method": {"options": {"iterations": 50}}}``."""
    key, equals, value = text.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or len(parts) < 2 or not all(parts):
        raise InputError(f"--set {one_line(text)}: valid: --set TABLE.KEY=VALUE, as --set staleness.rounds=40")
    document: Document = {parts[-1]: toml_value(value.strip())}
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


def build_experiment(layers: Sequence[Layer]) -> Experiment:
    """Merge ``layers``, later ones winning, and validate the whole. Raises InputError.

    The first is the file, the others what is asked for at the command line, in whatever order: options given there
    belong to the names given there.
    """
    asked: Document = {}
    for layer in layers[1:]:
        asked = _merge(asked, layer.document)
    document = _merge(_without_foreign_options(dict(layers[0].document), asked), asked)
    try:
        experiment = validate(Experiment, document)
    except ValidationError as error:
        raise _input_error(problems(error, Experiment, document), layers) from error
    if found := list(conflicts(experiment)):
        raise _input_error(found, layers)
    return experiment


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> Document:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(value, Mapping) and isinstance(old, Mapping) else value
    return merged


def _without_foreign_options(below: Document, above: Mapping[str, Any]) -> Document:
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
