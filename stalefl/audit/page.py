"""An audit's page and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from stalefl.audit.audit import Audit
from stalefl.audit.measure.metrics import METRICS
from stalefl.audit.outcome import KeptCase, Outcome
from stalefl.audit.references import noise
from stalefl.formatting import guarantee_in_words, program_in_words
from stalefl.report.page.html import write_page
from stalefl.report.page.image_sources import image_source
from stalefl.report.plots.audit import MOST_ROWS, draw_audit
from stalefl.report.plots.sample_panel import curve_key
from stalefl.report.tables.audit import AuditRow, audit_metric_text, audit_rows, measured_metrics, metric_heading
from stalefl.training.embedding import texts

NOTED = {"pixels": "; dB: PSNR", "signal": "; dB: PSNR", "embedding": "; %: tokens anywhere"}
STYLES = {
    "readable": "readable",
    "traces": "traces",
    "no better than noise": "noise",
    "labels known": "known",
    "partly": "partly",
    "no better than guessing": "guessing",
}


def draw_pictures(audit: Audit, outcome: Outcome) -> list[str]:
    """One picture per attack that recovers inputs, in the audit's folder; the attacks that have one."""
    shown = _shown(audit)
    for attack, by_defence in outcome.recovered.items():
        columns: dict[str, Sequence[Tensor | str | None]] = {}
        notes: dict[str, list[str]] = {}
        if shown:
            columns["true"] = [_true(audit, case, sample) for case, sample in shown]
        for defence, kept in by_defence.items():
            columns[defence], notes[defence] = _recovered(kept, shown)
        if shown:
            columns["noise"] = [_noise(audit, case, sample) for case, sample in shown]
        what = f"what {attack} recovers, by defence" + NOTED[audit.dataset.spec.space] * any(map(any, notes.values()))
        what = "; ".join(filter(None, [what, curve_key(audit.dataset.spec)]))
        columns = {name: _readable(audit, samples) for name, samples in columns.items()}
        draw_audit(columns, notes, audit.dataset.spec, audit.folder.picture(attack), what)
    return list(outcome.recovered)


def _readable(audit: Audit, samples: Sequence[Tensor | str | None]) -> Sequence[Tensor | str | None]:
    """Samples as they are drawn: embeddings as texts."""
    table, words = audit.bench.table, audit.dataset.spec.tokens
    if table is None:
        return samples
    return [texts(sample[None], table, words)[0] if isinstance(sample, Tensor) else sample for sample in samples]


def _shown(audit: Audit) -> list[tuple[int, int]]:
    """Case and sample of those that are drawn, where the true ones are known."""
    every = [
        (case, sample)
        for case, truth in enumerate(audit.truths)
        if truth is not None
        for sample in range(len(truth.targets))
    ]
    return every[:MOST_ROWS]


def _true(audit: Audit, case: int, sample: int) -> Tensor:
    truth = audit.truths[case]
    assert truth is not None
    return truth.inputs[sample]


def _noise(audit: Audit, case: int, sample: int) -> Tensor | None:
    truth = audit.truths[case]
    assert truth is not None
    inputs = noise(truth, audit.dataset.spec, audit.bench.seed, case).inputs
    return None if inputs is None else inputs[sample]


def _recovered(
    kept: Sequence[KeptCase | None], shown: Sequence[tuple[int, int]]
) -> tuple[list[Tensor | None], list[str]]:
    """What stands for the samples shown, and how good it is; without a truth the first samples recovered."""
    if not shown:
        found = [case.found.inputs for case in kept if case is not None and case.found.inputs is not None]
        return [*found[0][:MOST_ROWS]], []
    pairs = [_pair(kept[case], sample) for case, sample in shown]
    return [sample for sample, _ in pairs], [note for _, note in pairs]


def _pair(case: KeptCase | None, sample: int) -> tuple[Tensor | None, str]:
    figures = None if case is None else case.figures
    if figures is None or figures.matching is None or figures.recovered is None:
        return None, ""
    places = (figures.matching.true == sample).nonzero().flatten().tolist()
    if not places:
        return None, ""
    psnr, recall = (figures.per_pair.get(name) for name in ("psnr", "token_recall"))
    note = f"{float(psnr[places[0]]):.1f} dB" if psnr is not None else ""
    if recall is not None:
        note = f"{float(recall[places[0]]):.0%}"
    return figures.recovered[places[0]], note


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
