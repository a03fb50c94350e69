"""Data sets that Hugging Face's ``datasets`` can read: a hub name, a local folder or a file.

Nothing is fetched unless the user allows it; without that, a hub name is looked up in the local cache only. Nothing in
a local folder is ever executed or leads to the network: scripts, and configurations that name addresses or files
elsewhere, are refused. Tables (CSV, TSV) are read by ``stalefl.data.tables``, not by ``datasets``. Folders that
``save_to_disk`` has written are read as well.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from stalefl.contracts import DataContext, InputError
from stalefl.data.files import files_below
from stalefl.data.sources import downloading, find_source
from stalefl.data.tables import Row, TableOptions, TextTable
from stalefl.formatting import printable, shortly

OFFLINE_SWITCHES = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
BUILDERS = {".parquet": "parquet", ".csv": "parquet", ".tsv": "parquet", ".json": "json", ".jsonl": "json"}
"""By a file's ending, what reads it; tables are made parquet files first."""
TABLES = (".csv", ".tsv")
BESIDE_TABLES = (*TABLES, ".md", ".txt", ".yaml", ".yml", "")
"""A folder of files with these endings alone is one of tables."""
CONFIGURATIONS = ("README.md", ".huggingface.yaml")
SAVED_TO_DISK = (("dataset_dict.json",), ("state.json", "dataset_info.json"))
OF_64_BITS = range(-(2**63), 2**63)


class HuggingFaceSource(TableOptions):
    """Which data set of Hugging Face, and which splits of it."""

    source: str = Field(
        "", description="hub name, folder or file (relative ones also in the data folder): parquet, csv, json"
    )
    config: str = Field("", description="the data set's configuration, where it has several")
    train_split: str = Field("train", description="the split to train on")
    test_split: str = Field("test", description="the split to test on; empty: split off test_fraction")
    test_fraction: float = Field(0.2, gt=0, lt=1, description="share of every class for testing, without a test split")


class Columns(NamedTuple):
    """What columns of tables are, whose cells are texts of no known kind."""

    labels: Collection[str]
    """Kept as they stand."""
    paths: str = ""
    """Relative ones are relative to the table's folder."""


@contextlib.contextmanager
def opened(options: HuggingFaceSource, context: DataContext, name: str, columns: Columns) -> Iterator[tuple[Any, Any]]:
    """The training and the test split (None if one is to be split off). Of local files no copy stays in a cache."""
    import datasets

    if "://" in options.source:
        raise InputError(f"{name}: an address is not read; valid: a hub name, a folder or a file")
    local = find_source(options.source, context.data_dir)
    wanted = [options.train_split] + [options.test_split] * bool(options.test_split)
    with contextlib.ExitStack() as stack:
        if local is None and context.download:
            stack.enter_context(downloading(name, "Hugging Face's cache"))
        else:
            stack.enter_context(_offline())
        try:
            if local is None:
                splits = [datasets.load_dataset(options.source, options.config or None, split=part) for part in wanted]
            elif _saved_to_disk(local):
                splits = _from_disk(local, wanted)
            else:
                temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
                place = Path(stack.enter_context(temporary))
                arguments = _local(local, name, options, columns, place / "tables")
                splits = [
                    datasets.load_dataset(
                        **arguments, name=options.config or None, split=part, cache_dir=str(place / "cache")
                    )
                    for part in wanted
                ]
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        except Exception as error:  # datasets raises what its readers and fsspec's raise for files of all kinds
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
    silent, verbosity = datasets.are_progress_bars_disabled(), datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what it cannot read, an InputError tells
    try:
        for module, name in switches:
            module[name] = True
        yield
    finally:
        for (module, name), value in zip(switches, before, strict=True):
            module[name] = value
        datasets.logging.set_verbosity(verbosity)
        if not silent:
            datasets.enable_progress_bars()


# --- what lies in a local folder --------------------------------------------------------------------------------------


def _local(path: Path, name: str, options: HuggingFaceSource, columns: Columns, place: Path) -> dict[str, Any]:
    """What ``load_dataset`` is asked for, tables having become parquet files in the folder ``place``."""
    if path.is_file():
        if path.suffix.lower() not in BUILDERS:
            raise InputError(f"{path} is neither a folder nor a file of {', '.join(BUILDERS)}")
        if path.suffix.lower() in TABLES:
            place.mkdir()
            path = _as_parquet(path, place / f"{path.stem}.parquet", options, columns)
        return {"path": BUILDERS[path.suffix.lower()], "data_files": str(path)}
    if not path.is_dir():
        raise InputError(f"{path} is no regular file; valid: a folder or a file of {', '.join(BUILDERS)}")
    files = list(files_below(path))
    if (script := path / f"{path.resolve().name}.py").exists():
        raise InputError(
            f"{script.name} is a script, and nothing in a data folder is executed; valid: parquet, csv, json"
        )
    _check_configuration(path)
    _check_arrow(files)
    if not all(file.suffix.lower() in BESIDE_TABLES for file in files):
        if not any((path / configuration).exists() for configuration in CONFIGURATIONS):
            _check_declared_classes([file for file in files if file.suffix.lower() == ".parquet"])
        return {"path": str(path)}
    tables = [file for file in files if file.suffix.lower() in TABLES]
    if not tables:
        raise InputError(f"{path} holds no file of data; valid: {', '.join(BUILDERS)} or pictures")
    place = place / path.resolve().name
    for file in tables:
        copy = place / file.relative_to(path).with_suffix(".parquet")
        copy.parent.mkdir(parents=True, exist_ok=True)
        _as_parquet(file, copy, options, columns)
    for configuration in CONFIGURATIONS:
        if (path / configuration).is_file():
            text = (path / configuration).read_text(encoding="utf-8", errors="replace")
            for ending in TABLES:
                text = text.replace(ending, ".parquet")
            (place / configuration).write_text(text, encoding="utf-8")
    return {"path": str(place)}


def _check_arrow(files: list[Path]) -> None:
    """Raises InputError for a damaged Arrow file, which could read memory that is not its own."""
    import pyarrow

    for file in files:
        if file.suffix.lower() != ".arrow":
            continue
        try:
            with pyarrow.memory_map(str(file)) as content:
                try:
                    batches = pyarrow.ipc.open_stream(content)
                except pyarrow.ArrowInvalid:
                    whole = pyarrow.ipc.open_file(content)
                    batches = (whole.get_batch(k) for k in range(whole.num_record_batches))
                for batch in batches:
                    batch.validate(full=True)
        except (OSError, ValueError, pyarrow.ArrowException) as error:
            reason = printable(" ".join(str(error).split())[:200])
            raise InputError(f"{file} is damaged: {reason}; save it anew") from error


def _check_declared_classes(files: list[Path]) -> None:
    """Raises InputError if parquet files of one data set declare other classes: ``datasets`` would read all as the
    first."""
    import datasets
    import pyarrow.parquet

    declared: dict[str, tuple[Path, list[str]]] = {}
    for file in files:
        features = datasets.Features.from_arrow_schema(pyarrow.parquet.read_schema(file))
        for column, feature in features.items():
            if isinstance(feature, datasets.ClassLabel):
                first, names = declared.setdefault(column, (file, feature.names))
                if names != feature.names:
                    raise InputError(
                        f"{first.name} declares the classes {shortly(names)} in column {column}, {file.name} "
                        f"{shortly(feature.names)}; valid: the same in every file"
                    )


def _check_configuration(folder: Path) -> None:
    """Raises InputError if the folder's own configuration names an address, or files that lie elsewhere."""
    for name in CONFIGURATIONS:
        path = folder / name
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no regular file; valid: no pipes and devices among the data")
        for said in _texts(_configuration(path) if path.exists() else []):
            if "://" in said or "::" in said:
                raise InputError(f"{path} names the address {said[:80]!r}; valid: files in the folder, fetched before")
            if Path(said).is_absolute() or ".." in Path(said).parts:
                raise InputError(f"{path} names {said[:80]!r}, which lies elsewhere; valid: files in the folder")


def _configuration(path: Path) -> Any:
    """What ``datasets`` would read of a configuration."""
    import huggingface_hub
    import yaml

    try:
        if path.suffix == ".md":
            return huggingface_hub.DatasetCard.load(path).data.to_dict().get("configs")
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except Exception as error:  # PyYAML and the hub's library raise many kinds of errors
        raise InputError(f"{path} cannot be read: {' '.join(str(error).split())[:200]}") from error


def _texts(document: Any) -> Iterator[str]:
    """All texts in nested lists and tables."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict | list):
        for each in document.values() if isinstance(document, dict) else document:
            yield from _texts(each)


def _saved_to_disk(path: Path) -> bool:
    return path.is_dir() and any(all((path / name).is_file() for name in names) for names in SAVED_TO_DISK)


def _from_disk(path: Path, wanted: list[str]) -> list[Any]:
    """The wanted splits, or parts of them as "train[:80%]", of a folder written by ``save_to_disk``."""
    import datasets

    _check_arrow(list(files_below(path)))
    found = datasets.load_from_disk(str(path.resolve()))
    if not isinstance(found, dict):
        found = {str(found.split or "train"): found}
    lengths = {str(split): len(rows) for split, rows in found.items()}
    parts = []
    for asked in wanted:
        instructions = datasets.ReadInstruction.from_spec(asked).to_absolute(lengths)
        chosen = [found[each.splitname].select(range(each.from_, each.to)) for each in instructions]
        parts.append(datasets.concatenate_datasets(chosen))
    if any(part.features != parts[0].features for part in parts):
        raise InputError(f"the splits of {path} differ in their columns or declared classes; valid: the same in all")
    return parts


# --- tables -----------------------------------------------------------------------------------------------------------


def _as_parquet(path: Path, target: Path, options: TableOptions, columns: Columns) -> Path:
    """Write a table with columns of whole numbers, numbers or texts; a cell without anything is missing."""
    import pyarrow
    import pyarrow.parquet

    table = TextTable.read(path, options)
    arrays = {}
    for column in table.columns:
        if column == columns.paths:
            arrays[column] = pyarrow.array([str(path.parent.absolute() / row.text(column)) for row in table.rows])
        elif column in columns.labels:
            arrays[column] = _texts_of(table.rows, column)
        else:
            arrays[column] = _typed(table.rows, column)
    pyarrow.parquet.write_table(pyarrow.table(arrays), target)
    return target


def _typed(rows: tuple[Row, ...], column: str) -> Any:
    """The cells as a pyarrow array of numbers if all are, else of the texts as they stand."""
    import pyarrow

    filled = [row for row in rows if not row.is_empty(column)]
    if filled and all(row.is_whole(column) for row in filled):
        values = [None if row.is_empty(column) else int(row.text(column)) for row in rows]
        if all(value is None or value in OF_64_BITS for value in values):
            return pyarrow.array(values, pyarrow.int64())
    elif filled and all(row.is_number(column) for row in filled):
        return pyarrow.array([None if row.is_empty(column) else row.number(column) for row in rows], pyarrow.float64())
    return _texts_of(rows, column)


def _texts_of(rows: tuple[Row, ...], column: str) -> Any:
    import pyarrow

    return pyarrow.array([None if row.is_empty(column) else row.cells[column] for row in rows], pyarrow.string())


def _why_not(name: str, local: Path | None, context: DataContext, error: Exception) -> str:
    cause = error.__cause__ or error
    reason = printable(" ".join(str(cause).split())) or type(cause).__name__
    if "Unknown split" in reason:
        return (
            f"{name}: {reason.rstrip('.')}; name others with the options train_split and test_split, or split off a "
            "share for testing: --set data.options.test_split="
        )
    if local is not None:
        return f"{name}: {local} cannot be read: {reason[:300]}"
    if context.download:
        return f"{name} cannot be fetched: {reason[:300]}"
    return (
        f"{name} is neither a path (as given or in {context.data_dir}) nor in Hugging Face's local cache; "
        "allow fetching it with --download"
    )
