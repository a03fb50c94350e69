"""A comparison of methods as a table for the terminal, as Markdown and as JSON. Its input are the ``result.json``
documents of the runs: one or more methods, each with one or more seeds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from rich.table import Table

from stalefl.formatting import MISSING
from stalefl.records.metrics import AFFECTED, LAST, OVERALL, WINDOW
from stalefl.records.ranking import REFERENCES, Result, best_method, results_by_method, spread_of
from stalefl.report.tables.markdown import markdown_table
from stalefl.report.tables.terminal import close_up, terminal_table

SHORT_HEADERS = tuple(f"{what}\n{when}" for what in ("affected", "overall") for when in ("after late", f"last {LAST}"))
LONG_HEADERS = (
    "affected class, after the first late update",
    "affected class, last 10 rounds",
    "overall, after the first late update",
    "overall, last 10 rounds",
)


def comparison_table(results: Sequence[Result], references: Collection[str] = REFERENCES) -> Table:
    """One row per method, mean ± spread over seeds, the best method that is no reference in bold."""
    cells = {method: metric_cells(runs) for method, runs in results_by_method(results).items()}
    best = best_method(results, references)
    lines = [*legend(f"{_target(results):g}", cells.values(), best), *_drift_legend(results)]
    caption = "\n".join([*lines, *filter(None, [_notes(results)])])
    table = terminal_table(_title(results), caption)
    table.add_column("method", no_wrap=True)
    for header in [*SHORT_HEADERS, f"rounds\nto {_target(results):g}", "server\nseconds"]:
        table.add_column(header, justify="right")
    for method, row in cells.items():
        accuracies, others = row[:4], row[4:]
        short = map(close_up, [*map(_without_leading_zeros, accuracies), *others])
        table.add_row(method, *short, style="bold" if method == best else None)
    return table


def legend(target: str, rows: Iterable[Sequence[str]], best: str | None = None) -> Iterator[str]:
    """What the headings and signs of the terminal's table mean, one line each; of signs those that occur."""
    text = " ".join(cell for row in rows for cell in row)
    yield "affected, overall: accuracy on the affected class and on all classes"
    yield "after late: mean from the round of the first late update on"
    yield f"last {LAST}: mean over the last {LAST} evaluated rounds"
    yield (
        f"rounds to {target}: first round from which the mean of the last {WINDOW} evaluated rounds "
        f"stays at or above {target} (affected class)"
    )
    yield "server seconds: time of all the server's work"
    if "±" in text:
        yield "±: sample standard deviation over seeds"
    if MISSING in text:
        yield f"{MISSING}: not reached, or not measured"
    if best is not None:
        yield "bold: best on the affected class after late, references left out"


def _drift_legend(results: Iterable[Result]) -> list[str]:
    drifting = any("drift" in result for result in results)
    return ["data drift: accuracy on the mix of both domains that the clients hold by then"] if drifting else []


def comparison_markdown(results: Sequence[Result], references: Collection[str] = REFERENCES) -> str:
    """``comparison_table`` as Markdown, ending in a newline."""
    headers = ["method", *LONG_HEADERS, f"rounds to {_target(results):g} (affected class)", "server seconds"]
    best = best_method(results, references)
    rows = [[method, *metric_cells(runs)] for method, runs in results_by_method(results).items()]
    rows = [[f"**{cell}**" for cell in row] if row[0] == best else row for row in rows]
    table = markdown_table(headers, rows, "l" + "r" * (len(headers) - 1))
    notes = _notes(results)
    return f"{table}\n{notes}\n" if notes else table


def _target(results: Sequence[Result]) -> float:
    return float(results[0]["rounds_to_target"]["target"])


def metric_cells(runs: Sequence[Result]) -> list[str]:
    """The metrics of one method's runs as text, under ``SHORT_HEADERS``, rounds to target and server seconds."""
    accuracies = [(period, key) for key in (AFFECTED, OVERALL) for period in ("mean_after_first_late", "last_10")]
    return [
        *(metric_text(runs, *keys) for keys in accuracies),
        rounds_text(runs),
        spread_of(runs, "server_seconds").text(1),
    ]


def _without_leading_zeros(cell: str) -> str:
    """``0.936 ± 0.009`` as ``.936 ± .009``: the table fits a terminal of 80 columns."""
    return " ".join(part.removeprefix("0") for part in cell.split(" "))


def rounds_text(runs: Sequence[Result], key: str = AFFECTED) -> str:
    """Mean ± spread if every seed reached the target, else how many did."""
    reached = sum(run["rounds_to_target"][key] is not None for run in runs)
    if 0 < reached < len(runs):
        return f"{reached} of {len(runs)} seeds"
    return spread_of(runs, "rounds_to_target", key).text(0)


def metric_text(runs: Sequence[Result], *keys: str) -> str:
    """One metric of ``result.json`` over the runs, as "0.905 ± 0.012"."""
    return spread_of(runs, *keys).text(3)


def _title(results: Sequence[Result]) -> str:
    settings = sorted({f"{result['dataset']}, {result['model']}" for result in results})
    seeds = len({result["seed"] for result in results})
    return f"{'; '.join(settings)} · {seeds} seed{'s' if seeds != 1 else ''}"


def _notes(results: Sequence[Result]) -> str:
    """What a reader of the metrics must know: updates that were thrown away."""
    rejected = {
        method: sum(run["rejected_updates"] for run in runs) for method, runs in results_by_method(results).items()
    }
    counts = ", ".join(f"{method} {count}" for method, count in rejected.items() if count)
    return f"Rejected updates (not finite): {counts}." if counts else ""
