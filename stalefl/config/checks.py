"""What must hold between the keys of an experiment, as far as it can be told without the data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from stalefl.config.explain import Problem
from stalefl.config.schema import DriftTable, Experiment

LARGEST_USUAL_ADAM_LR = 0.03
LIST_METHODS = "`stalefl plugins --kind method` lists the methods"


def conflicts(experiment: Experiment) -> Iterator[Problem]:
    """What contradicts what, each put down to one key."""
    yield from _late_clients(experiment)
    yield from _affected_classes(experiment)
    yield from _delays(experiment)
    yield from _drift(experiment)
    yield from _clients_per_round(experiment)
    yield from _methods(experiment)
    yield from _observers(experiment)
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", experiment.run.device):
        yield _at("run.device", f'= "{experiment.run.device}" is no device; valid: auto, cpu, cuda, cuda:N or mps')


def doubts(experiment: Experiment) -> Iterator[str]:
    """What can be run, but is hardly meant."""
    training = experiment.training
    if training.optimizer == "adam" and training.lr > LARGEST_USUAL_ADAM_LR:
        yield (
            f'training.lr = {training.lr:g} with training.optimizer = "adam": every weight moves by about as much in '
            "each step, which few models survive; usual: 0.001"
        )
    server = experiment.server
    if server.optimizer in ("adam", "amsgrad") and server.lr > LARGEST_USUAL_ADAM_LR:
        yield (
            f'server.lr = {server.lr:g} with server.optimizer = "{server.optimizer}": every weight of the global model '
            "moves by about as much in each round, which few models survive; usual: 0.01"
        )


def _at(key: str, text: str) -> Problem:
    return Problem(tuple(key.split(".")), f"{key} {text}")


def _clients(experiment: Experiment) -> int | None:
    """How many clients there are; a stored partition tells only when it is read."""
    return None if experiment.partition.file else experiment.partition.clients


def _late_clients(experiment: Experiment) -> Iterator[Problem]:
    staleness, clients = experiment.staleness, _clients(experiment)
    listed, key = staleness.clients, "staleness.clients"
    if staleness.late == "list" and not listed:
        yield _at(key, 'is empty; staleness.late = "list" needs the ids of the late clients')
    if staleness.late != "list" and listed:
        yield _at(key, f'is not used with staleness.late = "{staleness.late}"; set staleness.late = "list"')
    if len(set(listed)) < len(listed):
        yield _at(key, f"= {list(listed)} names a client twice")
    if clients is None:
        return
    if listed and max(listed) >= clients:
        yield _at(key, f"names client {max(listed)}; valid: 0 to {clients - 1} (partition.clients = {clients})")
    if staleness.late == "affected-class" and staleness.late_clients > clients:
        text = f"= {staleness.late_clients} is more than there are clients (partition.clients = {clients})"
        yield _at("staleness.late_clients", text)


def _affected_classes(experiment: Experiment) -> Iterator[Problem]:
    classes = experiment.staleness.affected_classes
    if not classes:
        yield _at("staleness.affected_class", "is empty; valid: a class, or a list of classes")
    if len(set(classes)) < len(classes):
        yield _at("staleness.affected_class", f"= {list(classes)} names a class twice")


def _delays(experiment: Experiment) -> Iterator[Problem]:
    spec = experiment.staleness
    least, greatest, most = spec.least_rounds, spec.greatest_rounds, spec.most_rounds
    if spec.schedule == "uniform" and least > greatest:
        yield _at("staleness.least_rounds", f"= {least} is more than staleness.greatest_rounds = {greatest}")
    if spec.schedule == "pareto" and least < 1:
        yield _at("staleness.least_rounds", '= 0 leaves every delay at 0; valid with schedule = "pareto": 1 or more')
    if spec.schedule in ("uniform", "pareto") and 0 < most < least:
        yield _at("staleness.most_rounds", f"= {most} is less than staleness.least_rounds = {least}; 0 = no cut")
    if spec.schedule == "trace" and not spec.trace:
        yield _at("staleness.trace", 'is empty; staleness.schedule = "trace" needs a CSV file')
    if spec.schedule != "trace" and spec.trace:
        yield _at("staleness.trace", f'is not used with schedule = "{spec.schedule}"; set staleness.schedule = "trace"')
    if spec.schedule == "trace" and spec.dropout:
        yield _at("staleness.dropout", "does not go with a trace, which lists what arrives; leave lost updates out")


def _drift(experiment: Experiment) -> Iterator[Problem]:
    drift, clients = experiment.drift, _clients(experiment)
    if not drift.dataset and drift != DriftTable():
        yield _at("drift.dataset", "is empty; [drift] needs a data set that samples are replaced from")
    if isinstance(drift.clients, str):
        return
    if not drift.clients:
        yield _at("drift.clients", 'is empty; valid: "all", "late" or a list of clients')
    if len(set(drift.clients)) < len(drift.clients):
        yield _at("drift.clients", f"= {list(drift.clients)} names a client twice")
    if clients is not None and max(drift.clients, default=0) >= clients:
        valid = f"valid: 0 to {clients - 1} (partition.clients = {clients})"
        yield _at("drift.clients", f"names client {max(drift.clients)}; {valid}")


def _clients_per_round(experiment: Experiment) -> Iterator[Problem]:
    clients, count = _clients(experiment), experiment.training.clients_per_round
    if clients is not None and isinstance(count, int) and count > clients:
        text = f"= {count} is more than there are clients (partition.clients = {clients}); all of them: 1.0"
        yield _at("training.clients_per_round", text)


def _methods(experiment: Experiment) -> Iterator[Problem]:
    name, options = experiment.method.name, experiment.method.options
    if not name:
        yield _at("method.name", f"is empty; {LIST_METHODS}")
    if isinstance(name, str):
        return
    if len(set(name)) < len(name):
        yield _at("method.name", f"= {list(name)} names a method twice")
    for key, value in options.items():
        if key not in name:
            text = f"belongs to no method of this comparison ({', '.join(name)})"
            yield _at(f"method.options.{key}", f"{text}; valid: under its method, as method.options.NAME.{key}")
        elif not isinstance(value, Mapping):
            yield _at(f"method.options.{key}", f"is not a table; write [method.options.{key}]")


def _observers(experiment: Experiment) -> Iterator[Problem]:
    names, options = experiment.observers.names, experiment.observers.options
    if len(set(names)) < len(names):
        yield _at("observers.names", f"= {list(names)} names an observer twice")
    for key, value in options.items():
        if key not in names:
            yield _at(f"observers.options.{key}", f"belongs to no observer of observers.names = {list(names)}")
        elif not isinstance(value, Mapping):
            yield _at(f"observers.options.{key}", f"is not a table; write [observers.options.{key}]")
