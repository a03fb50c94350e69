from __future__ import annotations

import pytest

from stalefl.config import load_experiment
from stalefl.config.checks import doubts
from stalefl.contracts import InputError

FIFTY = ["partition.clients=50", "staleness.late_clients=5"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["staleness.late=list"], "staleness.clients is empty"),
        (["staleness.clients=[1]"], 'not used with staleness.late = "affected-class"'),
        (["staleness.late=list", "staleness.clients=[1, 1]"], "[1, 1] names a client twice"),
        (["staleness.late=list", "staleness.clients=[50]"], "names client 50; valid: 0 to 49"),
        (["staleness.late_clients=51"], "51 is more than there are clients (partition.clients = 50)"),
        (["partition.clients=4"], "staleness.late_clients = 5 is more than there are clients (partition.clients = 4)"),
        (["staleness.affected_class=[]"], "staleness.affected_class is empty"),
        (["staleness.affected_class=[3, 3]"], "[3, 3] names a class twice"),
        (["staleness.schedule=uniform", "staleness.least_rounds=46"], "46 is more than staleness.greatest_rounds = 45"),
        (["staleness.schedule=pareto", "staleness.least_rounds=0"], "= 0 leaves every delay at 0"),
        (["staleness.schedule=pareto", "staleness.most_rounds=4"], "4 is less than staleness.least_rounds = 5"),
        (["staleness.schedule=trace"], "staleness.trace is empty"),
        (["staleness.trace=a.csv"], 'not used with schedule = "constant"'),
        (["staleness.schedule=trace", "staleness.trace=a", "staleness.dropout=0.1"], "does not go with a trace"),
        (["drift.rate=2.0"], "drift.dataset is empty"),
        (["drift.dataset=svhn", "drift.clients=[]"], "drift.clients is empty"),
        (["drift.dataset=svhn", "drift.clients=[1, 1]"], "[1, 1] names a client twice"),
        (["drift.dataset=svhn", "drift.clients=[50]"], "names client 50; valid: 0 to 49"),
        (["training.clients_per_round=51"], "51 is more than there are clients"),
        (["method.name=[]"], "method.name is empty"),
        (["method.name=''"], "method.name is empty"),
        (["method.name=['a', 'a']"], "names a method twice"),
        (
            ["method.name=['a', 'b']", "method.options.c.x=1"],
            "options.c belongs to no method of this comparison",
        ),
        (["method.name=['a', 'b']", "method.options.a=1"], "method.options.a is not a table"),
        (["observers.names=['a', 'a']"], "observers.names = ['a', 'a'] names an observer twice"),
        (["observers.options.a.x=1"], "observers.options.a belongs to no observer of observers.names = []"),
        (["observers.names=['a']", "observers.options.a=1"], "observers.options.a is not a table"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_experiment(None, [*FIFTY, *overrides])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ["staleness.late=list", "staleness.clients=[0, 49]"],
        ["staleness.late_clients=50"],
        ["staleness.affected_class=[3, 5]"],
        ["staleness.schedule=uniform", "staleness.least_rounds=45", "staleness.most_rounds=60"],
        ["staleness.schedule=trace", "staleness.trace=a.csv"],
        ["drift.dataset=svhn", "drift.clients=late", "drift.rate=0.2"],
        ["staleness.late=random", "partition.clients=2"],
        ["training.clients_per_round=50"],
        ["partition.file=part.safetensors", "training.clients_per_round=99", "staleness.late_clients=60"],
        ["run.device=cuda:1"],
    ],
)
def test_keys_that_agree_are_accepted(overrides: list[str]) -> None:
    load_experiment(None, [*FIFTY, *overrides])


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ([], ""),
        (["training.optimizer=adam", "training.lr=0.001"], ""),
        (["training.optimizer=adam"], "training.lr = 0.1 with training.optimizer"),
        (["server.optimizer=amsgrad"], 'server.lr = 1 with server.optimizer = "amsgrad"'),
        (["server.optimizer=momentum"], ""),
    ],
)
def test_what_is_hardly_meant_is_doubted(overrides: list[str], says: str) -> None:
    found = list(doubts(load_experiment(None, overrides)))
    assert [text.startswith(says) for text in found] == [True] * bool(says)
