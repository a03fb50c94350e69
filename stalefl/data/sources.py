"""Where samples come from: files below the data folder, Hugging Face's ``datasets``, a test part split off.

Nothing is fetched unless the user allows it; without that, a hub name is looked up in the local cache only.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from stalefl.contracts import DataContext, InputError, Options
from stalefl.seeds import named_rng

OFFLINE_SWITCHES = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
BUILDERS = {".parquet": "parquet", ".csv": "csv", ".json": "json", ".jsonl": "json"}
"""By a file's ending, what reads it."""


class HuggingFaceSource(Options):
    """Which data set of Hugging Face, and which splits of it."""

    source: str = Field(
        "", description="hub name, folder or file (relative ones also in the data folder): parquet, csv, json"
    )
    config: str = Field("", description="the data set's configuration, where it has several")
    train_split: str = Field("train", description="the split to train on")
    test_split: str = Field("test", description="the split to test on; empty: split off test_fraction")
    test_fraction: float = Field(0.2, gt=0, lt=1, description="share of every class for testing, without a test split")


def find_source(source: str, data_dir: Path) -> Path | None:
    """A path as given or, if relative, in the data folder; None if it is in neither."""
    if not source:
        return None
    return next((path for path in (Path(source).expanduser(), data_dir / source) if path.exists()), None)


def split_off_test(targets: Tensor, fraction: float, name: str) -> tuple[Tensor, Tensor]:
    """Positions of the training and the test part, each class divided alike; always the same for the same targets.

    Of a class of two or more samples either part gets one at least; a single one is for training. Raises InputError if
    nothing is left to test on.
    """
    rng = named_rng(0, "test-split")
    test = []
    for label in torch.unique(targets).tolist():
        own = rng.permutation(torch.nonzero(targets == label).flatten().numpy())
        test.append(own[: min(max(int(len(own) * fraction + 0.5), 1), len(own) - 1)])
    in_test = torch.zeros(len(targets), dtype=torch.bool)
    in_test[torch.from_numpy(np.concatenate(test))] = True
    if not in_test.any():
        raise InputError(f"{name}: no class has two samples, one for training and one for testing")
    return torch.nonzero(~in_test).flatten(), torch.nonzero(in_test).flatten()


@contextlib.contextmanager
def downloading(name: str, place: Path | str) -> Iterator[None]:
    """Announce a download on stderr, keep stdout clean, and turn its failures into InputErrors."""
    print(f"downloading {name} to {place}", file=sys.stderr)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (OSError, RuntimeError) as error:
        raise InputError(f"cannot download {name} to {place}: {error}") from error


# --- Hugging Face -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def opened(options: HuggingFaceSource, context: DataContext, name: str) -> Iterator[tuple[Any, Any]]:
    """The training and the test split (None if one is to be split off). Of local files no copy stays in a cache."""
    import datasets

    local = find_source(options.source, context.data_dir)
    wanted = [options.train_split] + [options.test_split] * bool(options.test_split)
    with contextlib.ExitStack() as stack:
        arguments = {"path": options.source} if local is None else _local(local, name)
        if local is not None:
            temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            arguments["cache_dir"] = stack.enter_context(temporary)
        if local is None and context.download:
            stack.enter_context(downloading(name, "Hugging Face's cache"))
        else:
            stack.enter_context(_offline())
        try:
            splits = [datasets.load_dataset(**arguments, name=options.config or None, split=part) for part in wanted]
        except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            raise InputError(_why_not(name, local, context, error)) from error
        yield splits[0], splits[1] if options.test_split else None


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Hugging Face's libraries read their offline switch when imported; it is set for as long as this lasts."""
    import datasets
    import huggingface_hub.constants

    modules = (vars(datasets.config), vars(huggingface_hub.constants))
    switches = [(module, name) for module in modules for name in OFFLINE_SWITCHES if name in module]
    before = [module[name] for module, name in switches]
    silent = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        for module, name in switches:
            module[name] = True
        yield
    finally:
        for (module, name), value in zip(switches, before, strict=True):
            module[name] = value
        if not silent:
            datasets.enable_progress_bars()


def _local(path: Path, name: str) -> dict[str, Any]:
    if path.is_dir():
        return {"path": str(path)}
    if path.suffix not in BUILDERS:
        raise InputError(f"{name}: {path} is neither a folder nor a file of {', '.join(BUILDERS)}")
    return {"path": BUILDERS[path.suffix], "data_files": str(path)}


def _why_not(name: str, local: Path | None, context: DataContext, error: Exception) -> str:
    cause = error.__cause__ or error
    reason = " ".join(str(cause).split()) or type(cause).__name__
    if "Unknown split" in reason:
        return (
            f"{name}: {reason.rstrip('.')}; name others with the options train_split and test_split, or split off a "
            "share for testing: --set data.options.test_split="
        )
    if local is not None:
        return f"{name}: {local} cannot be read: {reason}"
    if context.download:
        return f"{name} cannot be fetched: {reason}"
    return (
        f"{name} is neither a path (as given or in {context.data_dir}) nor in Hugging Face's local cache; "
        "allow fetching it with --download"
    )


def class_targets(labels: list[Any], feature: Any, name: str) -> tuple[list[str], Tensor]:
    """Class names and targets int64 [N] of ``labels``: class numbers, or class names, which are sorted. ``feature`` is
    their column's. Raises InputError for labels of another kind."""
    if any(label is None for label in labels):
        raise InputError(f"{name}: some samples have no label")
    if all(isinstance(label, str) for label in labels):
        names = sorted(set(labels))
        number = {label: position for position, label in enumerate(names)}
        return names, torch.tensor([number[label] for label in labels])
    if not all(type(label) is int and label >= 0 for label in labels):
        raise InputError(f"{name}: labels must be class numbers from 0 or class names")
    names = getattr(feature, "names", None) or [str(label) for label in range(max(labels) + 1)]
    if max(labels) >= len(names):
        raise InputError(f"{name}: label {max(labels)} is beyond the {len(names)} named classes")
    return list(names), torch.tensor(labels)
