"""The pictures of an audit: what each attack recovered, sample by sample and defence by defence."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from stalefl.audit.audit import Audit
from stalefl.audit.outcome import KeptCase, Outcome
from stalefl.audit.references import noise
from stalefl.report.plots.audit import MOST_ROWS, draw_audit
from stalefl.report.plots.sample_panel import curve_key
from stalefl.training.embedding import texts

NOTED = {"pixels": "; dB: PSNR", "signal": "; dB: PSNR", "embedding": "; %: tokens anywhere"}


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
    measured = None if case is None else case.measurements
    if measured is None or measured.matching is None or measured.recovered is None:
        return None, ""
    places = (measured.matching.true == sample).nonzero().flatten().tolist()
    if not places:
        return None, ""
    psnr, recall = (measured.per_pair.get(name) for name in ("psnr", "token_recall"))
    note = f"{float(psnr[places[0]]):.1f} dB" if psnr is not None else ""
    if recall is not None:
        note = f"{float(recall[places[0]]):.0%}"
    return measured.recovered[places[0]], note
