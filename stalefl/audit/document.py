"""What an audit found, as ``result.json``, from which the table and the page are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from stalefl.audit.accounting import epsilon
from stalefl.audit.audit import Audit
from stalefl.audit.conditions import unanswered, violations
from stalefl.audit.defences import Defence
from stalefl.audit.measure.perceptual import is_image
from stalefl.audit.outcome import NOISE, STRANGERS, AuditCell, Outcome
from stalefl.audit.plan import settings_of
from stalefl.audit.verdict import (
    KNOWN,
    NO_BETTER_THAN_NOISE,
    PARTLY,
    READABLE,
    THRESHOLDS,
    TOO_FEW,
    TRACES,
    UNKNOWN,
    Verdict,
    judge_inputs,
    judge_labels,
)
from stalefl.formatting import labels_in_words
from stalefl.records.documents.common import SCHEMA

STRENGTH = (READABLE, TRACES, TOO_FEW, NO_BETTER_THAN_NOISE)
LABEL_STRENGTH = (KNOWN, PARTLY)
NOT_ATTEMPTED = "not attempted"
EXPLAINED = 0.5
"""Loss above which an attack has not found what the update says; all of them count from 0 to about 1."""


def audit_document(audit: Audit, outcome: Outcome) -> dict[str, Any]:
    """``result.json``. What is not known is None."""
    made = {cell.name: cell.values for cell in outcome.cells if cell.values}
    conditions, classifier = audit.plan.conditions, outcome.instruments.classifier
    cells = [_cell(audit, cell, outcome) for cell in outcome.cells]
    return {
        "schema": SCHEMA,
        "dataset": audit.dataset.name,
        "model": audit.experiment.model.name,
        "training": asdict(audit.bench.training),
        "seed": audit.bench.seed,
        "cases": [{"title": case.title, "samples": case.samples} for case in audit.bench.cases],
        "attacks": {
            name: {"summary": attack.summary, "paper": attack.paper, "options": settings_of(attack)}
            for name, attack in audit.plan.attacks.items()
        },
        "restarts": audit.plan.restarts,
        "defences": {text: _guarantee(audit, defence) for text, defence in audit.plan.defences.items()},
        "networks": list(outcome.instruments.sources),
        "classifier": None
        if classifier is None
        else {"model": classifier.settings.model, "test_accuracy": classifier.test_accuracy},
        "references": dict(outcome.references),
        "thresholds": list(THRESHOLDS.in_words()),
        "cells": cells,
        "verdict": [
            _sentence(text, [cell for cell in cells if cell["defence"] == text]) for text in audit.plan.defences
        ],
        "violations": [str(violation) for violation in violations(made, conditions)],
        "unanswered_conditions": [str(condition) for condition in unanswered(made, conditions)],
    }


def _cell(audit: Audit, cell: AuditCell, outcome: Outcome) -> dict[str, Any]:
    spec, references = audit.dataset.spec, outcome.references
    verdict = judge_inputs(
        cell.values, spec.classes, references.get(NOISE), references.get(STRANGERS), images=is_image(spec)
    )
    return {
        "attack": cell.attack,
        "defence": cell.defence,
        "unfit": cell.unfit or None,
        "cases": cell.cases,
        "metrics": cell.values,
        "inputs": _on_inputs(cell, verdict)._asdict() if cell.cases else None,
        "labels": _on_labels(cell, judge_labels(cell.values), outcome)._asdict() if cell.cases else None,
        "label_shares": list(cell.label_shares),
        "loss": cell.loss,
        "iterations": cell.iterations,
        "seconds": cell.seconds,
    }


def _on_inputs(cell: AuditCell, verdict: Verdict) -> Verdict:
    """Where nothing is known, what can be said all the same."""
    if not cell.recovers_inputs:
        return Verdict(NOT_ATTEMPTED, "the attack recovers labels only")
    if verdict.word == UNKNOWN and cell.loss is not None:
        return Verdict(UNKNOWN, f"no true samples to compare with, look at the picture; {_fit_in_words(cell.loss)}")
    return verdict


def _fit_in_words(loss: float) -> str:
    if loss <= EXPLAINED:
        return f"the fit explains the update (loss {loss:.2g})"
    return f"the fit does not explain the update (loss {loss:.2g}): is the base, or the local program, another?"


def _on_labels(cell: AuditCell, verdict: Verdict, outcome: Outcome) -> Verdict:
    if verdict.word != UNKNOWN:
        return verdict
    names = outcome.instruments.spec.class_names
    return Verdict(UNKNOWN, f"recovered: {labels_in_words(cell.label_shares, names)}")


def _guarantee(audit: Audit, defence: Defence) -> dict[str, float] | None:
    """The differential privacy of one update under a defence, None if it gives none: not to an update that has been
    sparsified before, either."""
    multiplier, delta = defence.noise_multiplier, audit.plan.dp_delta
    if multiplier is None or any(case.sent is not None for case in audit.bench.cases):
        return None
    return {
        "delta": delta,
        "epsilon": epsilon(multiplier, delta),
        "epsilon_replace": epsilon(multiplier, delta, neighbours="replace"),
    }


def _sentence(defence: str, cells: Sequence[dict[str, Any]]) -> str:
    """What the strongest of the attacks on a defence recovered, in words."""
    judged = [cell for cell in cells if cell["defence"] == defence and cell["cases"]]
    samples = [(cell["attack"], cell["metrics"].get("psnr_median"), cell["inputs"]) for cell in judged]
    labels = [(cell["attack"], cell["metrics"].get("label_accuracy"), cell["labels"]) for cell in judged]
    return f"{defence}: {_strongest(samples, STRENGTH, 'samples')}; {_strongest(labels, LABEL_STRENGTH, 'labels')}"


def _strongest(judged: Sequence[tuple[str, float | None, Mapping[str, str]]], order: Sequence[str], what: str) -> str:
    """Of the attacks with the strongest verdict the one with the best value."""
    for word in order:
        found = [
            (value or 0.0, attack, verdict["reason"]) for attack, value, verdict in judged if verdict["word"] == word
        ]
        if found:
            _, attack, reason = max(found, key=lambda one: one[0])
            return f"{what} {word.removeprefix('labels ')} ({attack}: {reason})"
    others = {verdict["word"]: f" ({attack}: {verdict['reason']})" for attack, _, verdict in reversed(judged)}
    others.pop(NOT_ATTEMPTED, None)
    words = [word + reason for word, reason in sorted(others.items())]
    return f"{what} {'; or '.join(words) or (NOT_ATTEMPTED if judged else UNKNOWN)}"
