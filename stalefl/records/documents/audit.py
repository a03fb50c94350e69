"""The ``result.json`` of a privacy audit."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from stalefl.records.documents.common import Count, SchemaNumber, TrainingSettings, document

MetricValuesRecord = dict[str, int | float | None]
"""Values by metric, as ``psnr_median``; None where a metric was not measured."""


@document
class AuditedCase(TypedDict):
    """A client whose update is attacked."""

    title: str
    """what the client is called"""
    samples: Count | None
    """how many samples the client trained on; null if not known"""


@document
class AuditedAttack(TypedDict):
    """An attack, as it was made."""

    summary: str
    """what the attack does, in one line"""
    paper: str
    """where the attack comes from"""
    options: dict[str, Any]
    """the attack's options, by name"""


@document
class PrivacyGuarantee(TypedDict):
    """The differential privacy of one update."""

    delta: float
    """delta, from 0 to 1 (`audit.dp_delta`)"""
    epsilon: float | None
    """epsilon where neighbours differ by one sample more or less; null if infinite"""
    epsilon_replace: float | None
    """epsilon where neighbours differ by one replaced sample; null if infinite"""


@document
class AuditClassifier(TypedDict):
    """The network that judges recovered samples."""

    model: str
    """the model's name"""
    test_accuracy: float | None
    """the model's accuracy on the test split, from 0 to 1"""


@document
class AuditVerdict(TypedDict):
    """A judgement in words."""

    word: str
    """for inputs `readable`, `traces`, `no better than noise`, `too few to tell`, `not attempted` or `unknown`; for
    labels `labels known`, `partly`, `no better than guessing` or `unknown`"""
    reason: str
    """the figures behind the judgement"""


@document
class AuditCellRecord(TypedDict):
    """One attack under one defence, over all clients."""

    attack: str
    """the attack's name"""
    defence: str
    """the defence, as its steps in words; `none` for none"""
    unfit: str | None
    """why the attack cannot be made on these updates; null if it can"""
    cases: Count
    """clients that were attacked"""
    metrics: MetricValuesRecord
    """figures by metric ([privacy-audit.md](privacy-audit.md) tells what they are); null where not measured"""
    inputs: AuditVerdict | None
    """what the attack says about the samples; null if no client was attacked"""
    labels: AuditVerdict | None
    """what the attack says about the labels; null if no client was attacked"""
    label_shares: list[float | None]
    """shares of the classes in the recovered labels, mean over the clients, from 0 to 1"""
    loss: float | None
    """loss of the attempts that were kept, mean over the clients"""
    iterations: float | None
    """iterations of the attempts that were kept, mean over the clients"""
    seconds: float | None
    """seconds of the attempts that were kept, mean over the clients"""


@document
class AuditResult(TypedDict):
    """What `stalefl privacy-audit` found. `--json` prints it."""

    schema: SchemaNumber
    """the number of the document's form"""
    dataset: str
    """the data set's name"""
    model: str
    """the model's name"""
    training: TrainingSettings
    """the local training behind the updates"""
    seed: int
    """the audit's seed"""
    cases: list[AuditedCase]
    """the clients"""
    attacks: dict[str, AuditedAttack]
    """the attacks, by name"""
    restarts: Count
    """attempts of each attack, of which the one of least loss is kept"""
    defences: dict[str, PrivacyGuarantee | None]
    """the defences by their steps in words, each with the privacy that it guarantees; null if it guarantees none"""
    networks: list[str]
    """where the networks of perceptual metrics come from"""
    classifier: AuditClassifier | None
    """the network that judges recovered samples; null if there is no truth to compare with"""
    references: dict[str, MetricValuesRecord]
    """figures to compare with: of random inputs (`noise`) and of other real samples (`strangers`)"""
    thresholds: list[str]
    """what the words of the verdicts mean"""
    cells: list[AuditCellRecord]
    """every attack under every defence"""
    verdict: list[str]
    """one sentence for each defence: what the strongest attack recovered"""
    violations: list[str]
    """the conditions of `--fail-if` that cells meet"""
    unanswered_conditions: list[str]
    """the conditions of `--fail-if` that no figure answers"""
