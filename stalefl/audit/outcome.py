"""What the attacks recovered, measured and judged: a figure for every cell, a cell being an attack under a defence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch

from stalefl.audit.attempts import Recovered, load_best
from stalefl.audit.audit import Audit
from stalefl.audit.cases import Truth
from stalefl.audit.defences import Defence
from stalefl.audit.measure.classifier import settings_for, trained_classifier
from stalefl.audit.measure.metrics import Values
from stalefl.audit.measure.one_client import CaseFigures, Instruments, measure_case
from stalefl.audit.measure.perceptual import frechet_distance, perceptual_distance
from stalefl.audit.measure.summary import summarise
from stalefl.audit.references import common_share, noise, strangers
from stalefl.contracts import Leak

NOISE, STRANGERS = "noise", "strangers"


@dataclass(frozen=True)
class Networks:
    """Where the networks of perceptual metrics come from: files of the user's, or downloads where allowed; what is
    trained here is kept in ``cache``."""

    lpips_weights: Path | None = None
    inception_weights: Path | None = None
    download: bool = False
    cache: Path | None = None


@dataclass(frozen=True)
class Cell:
    """One attack under one defence, over all clients. ``unfit`` says why it was not made, else it is empty."""

    attack: str
    defence: str
    unfit: str
    values: Values = field(default_factory=dict)
    cases: int = 0
    iterations: float | None = None
    """Mean over the clients, of the attempt that was kept."""
    seconds: float | None = None
    loss: float | None = None
    label_shares: Sequence[float] = ()
    recovers_inputs: bool = True

    @property
    def name(self) -> str:
        return f"{self.attack} under {self.defence}"


class KeptCase(NamedTuple):
    """What the best attempt on a client recovered, and how it compares with the truth."""

    found: Recovered
    figures: CaseFigures


@dataclass(frozen=True)
class Outcome:
    """All cells, and the figures they compare with."""

    cells: Sequence[Cell]
    references: Mapping[str, Values]
    instruments: Instruments
    recovered: Mapping[str, Mapping[str, Sequence[KeptCase | None]]]
    """By attack and defence, what was kept of each client; attacks on labels alone are left out."""


def measure(audit: Audit, networks: Networks, on_share: Callable[[float], None] = lambda share: None) -> Outcome:
    """Measure all that was recovered so far. ``on_share`` is told which share of the work is done."""
    instruments = _instruments(audit, networks, lambda share: on_share(share / 2))
    others = _strangers(audit)
    cells: list[Cell] = []
    recovered: dict[str, dict[str, list[KeptCase | None]]] = defaultdict(dict)
    todo = list(audit.plan.cells(audit.bench.exposure(0, Defence())))
    for done, (attack, defence, unfit) in enumerate(todo, start=1):
        kept = [] if unfit else _kept(audit, attack, defence, others, instruments)
        cells.append(_cell(attack, defence, unfit, kept, instruments))
        if any(case is not None and case.found.inputs is not None for case in kept):
            recovered[attack][defence] = kept
        on_share(0.5 + done / len(todo) / 2)
    return Outcome(cells, _references(audit, others, instruments), instruments, dict(recovered))


def _instruments(audit: Audit, networks: Networks, on_share: Callable[[float], None]) -> Instruments:
    """Without any truth there is nothing to measure, hence nothing to measure with."""
    spec, dataset, model = audit.dataset.spec, audit.dataset, audit.experiment.model
    if not any(audit.truths):
        return Instruments(spec)
    settings = settings_for(spec, len(dataset.train), model.name, model.options)
    classifier = trained_classifier(dataset, settings, networks.cache, audit.bench.model.device, on_share)
    return Instruments(
        spec=spec,
        classifier=classifier,
        lpips=perceptual_distance(spec, classifier, networks.lpips_weights, networks.download),
        fid=frechet_distance(spec, classifier, networks.inception_weights, networks.download),
        embedding=audit.bench.table,
        common_share=common_share(dataset.train.targets),
    )


def _strangers(audit: Audit) -> list[Leak | None]:
    test, spec, seed = audit.dataset.test, audit.dataset.spec, audit.bench.seed
    return [
        None if truth is None else strangers(truth, test, spec, seed, case) for case, truth in enumerate(audit.truths)
    ]


def _kept(
    audit: Audit, attack: str, defence: str, others: Sequence[Leak | None], instruments: Instruments
) -> list[KeptCase | None]:
    """One entry per client, None where no attempt is done yet."""
    kept: list[KeptCase | None] = []
    for case, truth in enumerate(audit.truths):
        found = load_best(audit.folder, attack, defence, case, audit.plan.attempts_of(attack))
        if found is None:
            kept.append(None)
        else:
            figures = _figures(Leak(found.labels, found.inputs), truth, instruments, others[case])
            kept.append(KeptCase(found, figures))
    return kept


def _cell(attack: str, defence: str, unfit: str, kept: Sequence[KeptCase | None], instruments: Instruments) -> Cell:
    there = [case for case in kept if case is not None]
    if not there:
        return Cell(attack, defence, unfit)
    found = [case.found for case in there]
    return Cell(
        attack=attack,
        defence=defence,
        unfit=unfit,
        values=summarise([case.figures for case in there], instruments),
        cases=len(there),
        iterations=_mean([tried.iterations for tried in found]),
        seconds=_mean([tried.seconds for tried in found]),
        loss=_mean([tried.loss for tried in found]),
        recovers_inputs=any(tried.inputs is not None for tried in found),
        label_shares=torch.stack([tried.labels.mean(dim=0) for tried in found]).mean(dim=0).tolist(),
    )


def _figures(leak: Leak, truth: Truth | None, instruments: Instruments, other: Leak | None = None) -> CaseFigures:
    inputs, targets = (None, None) if truth is None else (truth.inputs, truth.targets)
    return measure_case(leak, inputs, targets, instruments, None if other is None else other.inputs)


def _references(audit: Audit, others: Sequence[Leak | None], instruments: Instruments) -> dict[str, Values]:
    known = [(case, truth) for case, truth in enumerate(audit.truths) if truth is not None]
    if not known:
        return {}
    spec, seed = audit.dataset.spec, audit.bench.seed
    leaks = {NOISE: [(truth, noise(truth, spec, seed, case)) for case, truth in known]}
    if all(others[case] for case, _ in known):
        leaks[STRANGERS] = [(truth, other) for (case, truth) in known if (other := others[case])]
    references = {
        name: summarise([_figures(leak, truth, instruments) for truth, leak in pairs], instruments)
        for name, pairs in leaks.items()
    }
    if STRANGERS in references:
        # They are chosen by the true labels.
        references[STRANGERS]["label_accuracy"] = None
    return references


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
