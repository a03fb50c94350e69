"""The page of an audit, made from its document and its pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stalefl.audit.audit import Audit
from stalefl.audit.measure.metrics import METRICS
from stalefl.formatting import guarantee_in_words, program_in_words
from stalefl.report.page.html import write_page
from stalefl.report.page.image_sources import image_source
from stalefl.report.tables.audit import AuditRow, audit_metric_text, audit_rows, measured_metrics, metric_heading

STYLES = {
    "readable": "readable",
    "traces": "traces",
    "no better than noise": "noise",
    "labels known": "known",
    "partly": "partly",
    "no better than guessing": "guessing",
}


def write_audit_page(audit: Audit, result: Mapping[str, Any], pictures: Sequence[str]) -> None:
    """``report.html``, from ``result.json`` and the pictures."""
    names = measured_metrics(result)
    content = {
        "title": f"Privacy audit: {result['model']} on {result['dataset']}",
        "subtitle": _subtitle(result),
        "verdict": result["verdict"],
        "violations": result["violations"],
        "unanswered": result["unanswered_conditions"],
        "headings": [metric_heading(name) for name in names],
        "rows": [_row(row, names) for row in audit_rows(result)],
        "footnote": "; ".join(result["networks"]),
        "pictures": [
            {"source": image_source(audit.folder.picture(attack)), "caption": f"What {attack} recovers, by defence."}
            for attack in pictures
        ],
        "metrics": [METRICS[name] for name in names],
        "thresholds": result["thresholds"],
        "settings": list(_settings(result)),
    }
    write_page(audit.folder.page, "audit.html", content)


def _subtitle(result: Mapping[str, Any]) -> str:
    cases = result["cases"]
    samples = sorted({case["samples"] for case in cases})
    each = f"{samples[0]} to {samples[-1]}" if len(samples) > 1 else str(samples[0])
    who = cases[0]["title"] if len(cases) == 1 else f"{len(cases)} clients"
    return f"{who}; samples: {each}; local program: {program_in_words(result['training'])}"


def _row(row: AuditRow, names: Sequence[str]) -> dict[str, Any]:
    inputs, labels = row.inputs or {}, row.labels or {}
    reasons = [row.note, *(verdict.get("reason", "") for verdict in (inputs, labels))]
    return {
        "attack": row.attack,
        "defence": row.defence,
        "reference": row.reference,
        "metrics": [audit_metric_text(name, row.metrics) for name in names],
        "inputs": inputs.get("word", ""),
        "style": STYLES.get(inputs.get("word", ""), ""),
        "labels": labels.get("word", "").removeprefix("labels "),
        "label_style": STYLES.get(labels.get("word", ""), ""),
        "reason": "; ".join(filter(None, reasons)),
    }


def _settings(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "seed", str(result["seed"])
    yield "restarts", str(result["restarts"])
    if classifier := result["classifier"]:
        yield "classifier", f"{classifier['model']}, test accuracy {classifier['test_accuracy']:.1%}"
    for defence, guarantee in result["defences"].items():
        if guarantee:
            yield f"privacy of {defence}", guarantee_in_words(guarantee)
    for name, attack in result["attacks"].items():
        options = ", ".join(f"{key} {value}" for key, value in attack["options"].items())
        yield name, f"{attack['summary']} ({attack['paper']}). {options}"
