"""The tables of an experiment file, their keys, types, ranges and defaults.

The defaults are the comparison that ``make demo`` runs: scikit-learn's digits, one class per client, the clients of
class 5 late by 25 rounds.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DataTable(Table):
    dataset: str = Field("digits", description="a registered data set; some take an argument, as hf:NAME")
    options: dict[str, Any] = Field(default_factory=dict, description="the data set's own options")


class PartitionTable(Table):
    kind: Literal["dirichlet", "iid", "shards", "one-class"] = Field(
        "one-class", description="how the training samples are divided among the clients"
    )
    clients: PositiveInt = Field(20, description="number of clients")
    alpha: PositiveFloat = Field(0.1, description="Dirichlet concentration; the smaller, the more uneven the classes")
    sizes: Literal["equal", "natural"] = Field(
        "equal", description="Dirichlet only: every client the same number of samples, or as the draw falls"
    )
    samples_per_client: NonNegativeInt = Field(0, description="samples each client gets; 0 divides all there are")
    shards_per_client: PositiveInt = Field(2, description="shards only: label-sorted shards given to each client")
    file: str = Field("", description="a stored partition (safetensors) to use instead of drawing one")


class StalenessTable(Table):
    schedule: Literal["constant", "uniform", "lognormal", "pareto", "trace"] = Field(
        "constant", description="how delays are drawn, or a trace that lists them"
    )
    rounds: NonNegativeInt = Field(25, description="delay of the late clients' updates, in rounds (constant)")
    least_rounds: NonNegativeInt = Field(5, description="the shortest delay, in rounds (uniform, pareto)")
    greatest_rounds: NonNegativeInt = Field(45, description="the longest delay, in rounds (uniform)")
    median_rounds: PositiveFloat = Field(20.0, description="median of the delays, in rounds (lognormal)")
    sigma: NonNegativeFloat = Field(0.5, description="deviation of the delays' natural logarithm (lognormal)")
    shape: PositiveFloat = Field(
        2.0, description="P(delay > d) = (least_rounds / d) ** shape; the smaller, the heavier the tail (pareto)"
    )
    most_rounds: NonNegativeInt = Field(0, description="longer draws are cut to so many rounds; 0 = no cut")
    redraw: Literal["per-client", "per-job"] = Field(
        "per-client", description="draw one delay for each late client, or a new one for each of its updates"
    )
    trace: str = Field(
        "", description="CSV file with columns client, dispatched_round, arrived_round: all that these clients deliver"
    )
    dropout: float = Field(0.0, ge=0, le=1, description="probability that an update of a late client never arrives")
    affected_class: NonNegativeInt | tuple[NonNegativeInt, ...] = Field(
        5, description="the class, or classes, whose holders are late, and that is reported"
    )
    late: Literal["affected-class", "list", "random"] = Field(
        "affected-class",
        description="late clients: those holding most of the affected class, a list, or a random share",
    )
    late_clients: NonNegativeInt = Field(2, description="how many clients are late (affected-class)")
    clients: tuple[NonNegativeInt, ...] = Field((), description="the late clients (list)")
    late_fraction: float = Field(0.1, ge=0, le=1, description="the share of clients that are late (random)")
    pipeline: bool = Field(
        True, description="true: a late client has an update for each round it takes part in; false: one at a time"
    )
    early_rounds: Literal["on-time", "absent"] = Field(
        "on-time", description="what a late client does in the first rounds, before a model of that age exists"
    )

    @property
    def affected_classes(self) -> tuple[int, ...]:
        return (self.affected_class,) if isinstance(self.affected_class, int) else self.affected_class


class DriftTable(Table):
    dataset: str = Field("", description="a registered data set that clients' samples are replaced from; empty: none")
    options: dict[str, Any] = Field(default_factory=dict, description="that data set's own options")
    rate: PositiveFloat = Field(1.0, description="samples a client replaces per round; 0.5 is one every second round")
    start_round: PositiveInt = Field(1, description="the first round of the replacement")
    clients: Literal["all", "late"] | tuple[NonNegativeInt, ...] = Field(
        "all", description="whose data drift: everybody's, the late clients', or those of a list"
    )
    order: Literal["random", "sorted"] = Field(
        "random", description="which samples go first: any, or class after class"
    )
    keep_labels: bool = Field(True, description="replace a sample by one of its class; false: by any, label included")
    late_data: Literal["when-sent", "today"] = Field(
        "when-sent", description="a late client trains on what it held when it was sent the model, or when it delivers"
    )


class ModelTable(Table):
    name: str = Field("cnn-digits", description="a registered model")
    options: dict[str, Any] = Field(default_factory=dict, description="the model's own options")


class TrainingTable(Table):
    clients_per_round: PositiveInt | Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="clients that take part in a round: a count, or a share above 0 and up to 1"
    )
    selection: Literal["random", "round-robin"] = Field("random", description="how they are chosen")
    local_epochs: PositiveInt = Field(2, description="passes over the client's data in one round")
    batch_size: NonNegativeInt = Field(0, description="mini-batch size; 0 = full batch")
    optimizer: Literal["sgd", "adam"] = Field("sgd", description="the clients' optimiser; adam needs a smaller lr")
    lr: PositiveFloat = Field(0.1, description="learning rate at the clients")
    momentum: float = Field(0.8, ge=0, lt=1, description="SGD momentum at the clients; not used with adam")
    weight_decay: NonNegativeFloat = Field(0.0, description="weight decay at the clients, as an L2 penalty")
    nesterov: bool = Field(False, description="Nesterov momentum at the clients; not used with adam")
    proximal_mu: NonNegativeFloat = Field(
        0.0, description="FedProx: mu of the penalty mu/2 |w - w_start|^2 in the clients' loss; 0 = none"
    )


class MethodTable(Table):
    name: str | tuple[str, ...] = Field("inversion", description="a registered method, or a list to compare")
    options: dict[str, Any] = Field(
        default_factory=dict, description="the method's own options; with a list, one table per method"
    )


class ServerTable(Table):
    optimizer: Literal["mean", "momentum", "adam", "amsgrad"] = Field(
        "mean",
        description="how the server moves: by the mean of the updates (FedAvg), or by an optimiser that takes it for a "
        "gradient; for methods that average as FedAvg does",
    )
    lr: PositiveFloat = Field(
        1.0, description="learning rate at the server; adam and amsgrad need a small one, as 0.01"
    )
    beta_1: float = Field(0.9, ge=0, lt=1, description="memory of the moves (momentum, adam, amsgrad)")
    beta_2: float = Field(0.99, ge=0, lt=1, description="memory of their squares (adam, amsgrad)")
    epsilon: PositiveFloat = Field(0.001, description="added to the root of the squares (adam, amsgrad)")


class ShadowTable(Table):
    name: str = Field(description="a registered method")
    options: dict[str, Any] = Field(default_factory=dict, description="its own options")


class EvaluationTable(Table):
    every_rounds: PositiveInt = Field(1, description="evaluate after every so many rounds, and after the last")
    test_samples: NonNegativeInt = Field(
        0, description="evaluate on so many test samples, each class in its share and at least one of each; 0 = on all"
    )
    target_accuracy: float = Field(0.8, gt=0, le=1, description="affected-class accuracy that 'rounds to target' means")
    oracle: bool = Field(False, description="also measure the true estimation errors of late updates")
    shadows: dict[str, ShadowTable] = Field(
        default_factory=dict,
        description="methods, by a label of your own, that estimate from the same late updates and change nothing: "
        "their errors, iterations and seconds are recorded (a table [evaluation.shadows.LABEL] with name and options)",
    )


class AuditTable(Table):
    attacks: tuple[str, ...] = Field(("dlg", "inverting-gradients"), description="registered attacks")
    options: dict[str, Any] = Field(
        default_factory=dict, description="the attacks' own options, one table [audit.options.ATTACK] each"
    )
    defences: tuple[str, ...] = Field(
        ("none", "sparsify=0.95"),
        description="what clients do to an update before they send it: none, or steps in order, separated by commas: "
        "sparsify=SHARE left out, noise=VARIANCE of the gradient, clip=NORM, gaussian=MULTIPLE of that norm",
    )
    samples: PositiveInt = Field(1, description="samples of one client, where updates are made for the audit")
    cases: PositiveInt = Field(8, description="clients audited, each with samples of its own, likewise")
    restarts: PositiveInt = Field(1, description="attempts of an attack, of which the one of least loss is kept")
    dp_delta: float = Field(1e-5, gt=0, lt=1, description="the delta for which a Gaussian mechanism's epsilon is told")
    fail_if: tuple[str, ...] = Field((), description='conditions on cells, like "psnr>20", that make the exit code 3')


class ObserversTable(Table):
    names: tuple[str, ...] = Field((), description="registered observers, which are told of every round")
    options: dict[str, Any] = Field(
        default_factory=dict, description="the observers' own options, one table [observers.options.NAME] each"
    )


class RunTable(Table):
    rounds: PositiveInt = Field(70, description="rounds to simulate")
    seed: NonNegativeInt = Field(0, description="root of every random draw")
    seeds: PositiveInt = Field(1, description="repeat with this many seeds: seed, seed + 1, ...")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps")
    threads: PositiveInt = Field(1, description="CPU threads of one run; part of what makes a run repeatable")
    jobs: NonNegativeInt = Field(0, description="runs at the same time; 0 = as many as cores and memory allow")
    checkpoint_every_rounds: PositiveInt = Field(5, description="a stopped run goes on from the last checkpoint")

    @property
    def all_seeds(self) -> list[int]:
        return list(range(self.seed, self.seed + self.seeds))


class Experiment(Table):
    """One experiment file. Unknown tables and keys are errors."""

    data: DataTable = DataTable()
    partition: PartitionTable = PartitionTable()
    staleness: StalenessTable = StalenessTable()
    drift: DriftTable = DriftTable()
    model: ModelTable = ModelTable()
    training: TrainingTable = TrainingTable()
    method: MethodTable = MethodTable()
    server: ServerTable = ServerTable()
    evaluation: EvaluationTable = EvaluationTable()
    audit: AuditTable = AuditTable()
    observers: ObserversTable = ObserversTable()
    run: RunTable = RunTable()
