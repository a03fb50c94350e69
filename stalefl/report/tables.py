"""A comparison of methods as a table for the terminal, as Markdown and as JSON. Its input are the ``result.json``
documents of the runs: one or more methods, each with one or more seeds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from stalefl.report.folders import SCHEMA
from stalefl.report.metrics import ACCURACIES, AFFECTED, LAST, MISSING, OVERALL, WINDOW, Spread, mean_and_spread

Result = Mapping[str, Any]
REFERENCES = ("unstale",)
"""Methods that show what is possible without staleness; they do not compete."""
SHORT_HEADERS = tuple(f"{what}\n{when}" for what in ("affected", "overall") for when in ("after late", f"last {LAST}"))
LONG_HEADERS = (
    "affected class, after the first late update",
    "affected class, last 10 rounds",
    "overall, after the first late update",
    "overall, last 10 rounds",
)
SECONDS = ("server_seconds", "client_seconds", "wall_seconds")


def comparison_table(results: Sequence[Result], references: Collection[str] = REFERENCES) -> Table:
    """One row per method, mean ± spread over seeds, the best method that is no reference in bold."""
    cells = {method: figure_cells(runs) for method, runs in _by_method(results).items()}
    best = best_method(results, references)
    lines = [*legend(f"{_target(results):g}", cells.values(), best), *_drift_legend(results)]
    caption = "\n".join([*lines, *filter(None, [_notes(results)])])
    table = Table(title=_title(results), caption=caption, caption_justify="left", box=SIMPLE_HEAD)
    table.pad_edge, table.padding = False, (0, 1, 0, 0)
    table.add_column("method", no_wrap=True)
    for header in [*SHORT_HEADERS, f"rounds\nto {_target(results):g}", "server\nseconds"]:
        table.add_column(header, justify="right")
    for method, row in cells.items():
        accuracies, others = row[:4], row[4:]
        short = [cell.replace(" ± ", "±") for cell in [*map(_without_leading_zeros, accuracies), *others]]
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
    """The same table as GitHub-flavoured Markdown, ending in a newline."""
    headers = ["method", *LONG_HEADERS, f"rounds to {_target(results):g} (affected class)", "server seconds"]
    best = best_method(results, references)
    rows = [[method, *figure_cells(runs)] for method, runs in _by_method(results).items()]
    rows = [[f"**{cell}**" for cell in row] if row[0] == best else row for row in rows]
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)], *rows]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    notes = _notes(results)
    return f"{table}\n{notes}\n" if notes else table


def summary(results: Sequence[Result], references: Collection[str] = REFERENCES) -> dict[str, Any]:
    """``summary.json``: the table's figures as ``{"mean", "spread"}``, and each method's seeds."""
    methods = {method: _method_summary(runs) for method, runs in _by_method(results).items()}
    return {"schema": SCHEMA, "best": best_method(results, references), "methods": methods}


def best_method(results: Sequence[Result], references: Collection[str] = REFERENCES) -> str | None:
    """The first of ``ranking``; None where there is nothing to compare."""
    ranked = ranking(results, references)
    return ranked[0] if len(ranked) > 1 else None


def ranking(results: Iterable[Result], references: Collection[str] = REFERENCES) -> list[str]:
    """The methods by affected-class accuracy after the first late update, best first, references left out.

    Where that was not measured the next figure decides: overall accuracy, then both over the last 10 evaluated rounds.
    """
    periods = ("mean_after_first_late", "last_10")
    scores = {
        method: [_spread(runs, period, key).mean for period in periods for key in (AFFECTED, OVERALL)]
        for method, runs in _by_method(results).items()
        if method not in references
    }
    ranks = {method: tuple(-1.0 if s is None else s for s in score) for method, score in scores.items()}
    return sorted(ranks, key=lambda method: ranks[method], reverse=True)


def _by_method(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Runs by method, methods in the order in which they first occur."""
    grouped: dict[str, list[Result]] = {}
    for result in results:
        grouped.setdefault(result["method"], []).append(result)
    return grouped


def _spread(runs: Sequence[Result], *keys: str) -> Spread:
    values: list[Any] = list(runs)
    for key in keys:
        values = [value[key] for value in values]
    return mean_and_spread(values)


def _target(results: Sequence[Result]) -> float:
    return float(results[0]["rounds_to_target"]["target"])


def figure_cells(runs: Sequence[Result]) -> list[str]:
    """The figures of one method's runs as text, under ``SHORT_HEADERS``, rounds to target and server seconds."""
    accuracies = [(period, key) for key in (AFFECTED, OVERALL) for period in ("mean_after_first_late", "last_10")]
    return [
        *(figure_text(runs, *keys) for keys in accuracies),
        rounds_text(runs),
        _spread(runs, "server_seconds").text(1),
    ]


def _without_leading_zeros(cell: str) -> str:
    """``0.936 ± 0.009`` as ``.936 ± .009``: the table fits a terminal of 80 columns."""
    return " ".join(part.removeprefix("0") for part in cell.split(" "))


def rounds_text(runs: Sequence[Result], key: str = AFFECTED) -> str:
    """Mean ± spread if every seed reached the target, else how many did."""
    reached = sum(run["rounds_to_target"][key] is not None for run in runs)
    if 0 < reached < len(runs):
        return f"{reached} of {len(runs)} seeds"
    return _spread(runs, "rounds_to_target", key).text(0)


def figure_text(runs: Sequence[Result], *keys: str) -> str:
    """One figure of ``result.json`` over the runs, as "0.905 ± 0.012"."""
    return _spread(runs, *keys).text(3)


def mean_of(runs: Sequence[Result], *keys: str) -> float | None:
    """Mean of one figure over the runs; None if any run has none."""
    return _spread(runs, *keys).mean


def _title(results: Sequence[Result]) -> str:
    settings = sorted({f"{result['dataset']}, {result['model']}" for result in results})
    seeds = len({result["seed"] for result in results})
    return f"{'; '.join(settings)} · {seeds} seed{'s' if seeds != 1 else ''}"


def _notes(results: Sequence[Result]) -> str:
    """What a reader of the figures must know: updates that were thrown away."""
    rejected = {method: sum(run["rejected_updates"] for run in runs) for method, runs in _by_method(results).items()}
    counts = ", ".join(f"{method} {count}" for method, count in rejected.items() if count)
    return f"Rejected updates (not finite): {counts}." if counts else ""


def _method_summary(runs: Sequence[Result]) -> dict[str, Any]:
    def figure(*keys: str) -> dict[str, float | None]:
        return _spread(runs, *keys)._asdict()

    return {
        "seeds": [run["seed"] for run in runs],
        **{
            period: {key: figure(period, key) for key in ACCURACIES}
            for period in ("mean_after_first_late", "last_10", "final", "best")
        },
        "rounds_to_target": {
            "target": runs[0]["rounds_to_target"]["target"],
            **{
                key: {
                    **figure("rounds_to_target", key),
                    "seeds_reached": sum(run["rounds_to_target"][key] is not None for run in runs),
                }
                for key in ACCURACIES
            },
        },
        **_errors(runs),
        **{key: figure(key) for key in SECONDS},
        **{key: sum(run[key] for run in runs) for key in ("rejected_updates", "stale_updates", "inversion_iterations")},
    }


def _errors(runs: Sequence[Result]) -> dict[str, Any]:
    """Of late updates, of the method's estimates and of those of shadows that all runs had; {} without an oracle."""
    if not all("stale_error" in run for run in runs):
        return {}

    def errors(*keys: str) -> dict[str, Any]:
        return {kind: _spread(runs, *keys, kind)._asdict() for kind in ("l1", "cosine")}

    shared = [label for label in runs[0].get("shadows", ()) if all(label in run.get("shadows", ()) for run in runs)]
    shadows = {label: {"estimate_error": errors("shadows", label, "estimate_error")} for label in shared}
    return {key: errors(key) for key in ("stale_error", "estimate_error")} | ({"shadows": shadows} if shadows else {})
