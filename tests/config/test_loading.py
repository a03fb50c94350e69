from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from stalefl.config import Experiment, experiment_to_toml, load_experiment, method_names, method_options, single_run
from stalefl.config.loading import flat, parse_override
from stalefl.contracts import InputError


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Load an experiment from the text of a file."""

    def load_text(text: str, *overrides: str, **flags: Any) -> Experiment:
        path = tmp_path / "late.toml"
        path.write_text(text, encoding="utf-8")
        return load_experiment(path, overrides, flags)

    return load_text


def message(*overrides: str, **flags: Any) -> str:
    """The one line that refuses these overrides."""
    with pytest.raises(InputError) as caught:
        load_experiment(None, overrides, flags)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_file_the_defaults_are_loaded() -> None:
    assert load_experiment() == Experiment()


def test_the_order_is_defaults_file_set_flags(load: Any) -> None:
    text = "[run]\nrounds = 10\nseed = 1\nseeds = 2"
    run = load(text, "run.seed=3", "run.seeds=4", run={"seeds": 5}).run
    assert (run.rounds, run.seed, run.seeds, run.threads) == (10, 3, 5, 1)


def test_a_later_set_wins() -> None:
    assert load_experiment(None, ["run.rounds=3", "run.rounds=4"]).run.rounds == 4


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("staleness.rounds=40", {"staleness": {"rounds": 40}}),
        ("method.name=inversion", {"method": {"name": "inversion"}}),
        ("data.dataset=hf:some/name", {"data": {"dataset": "hf:some/name"}}),
        ("method.options.w-pred.gamma=0.5", {"method": {"options": {"w-pred": {"gamma": 0.5}}}}),
        (" run.rounds = 3 ", {"run": {"rounds": 3}}),
        ("staleness.clients=[1, 2]", {"staleness": {"clients": [1, 2]}}),
        ("run.device='a=b'", {"run": {"device": "a=b"}}),
        ("run.device=1\nx=2", {"run": {"device": "1\nx=2"}}),
        ("run.seed=" + "9" * 5000, {"run": {"seed": "9" * 5000}}),
    ],
)
def test_an_override_is_toml_or_a_bare_string(text: str, document: dict[str, Any]) -> None:
    assert parse_override(text) == document


@pytest.mark.parametrize("text", ["", "run", "run=3", "run.rounds", ".rounds=3", "run.=3", "run..rounds=3", "=3"])
def test_an_override_without_table_key_and_value_is_refused(text: str) -> None:
    assert "TABLE.KEY=VALUE" in message(text)


def test_integers_are_taken_for_floats_and_lists_for_tuples() -> None:
    overrides = ["training.lr=1", "staleness.late=list", "staleness.clients=[3, 1]", "method.name=['a', 'b']"]
    experiment = load_experiment(None, overrides)
    assert experiment.training.lr == 1.0
    assert isinstance(experiment.training.lr, float)
    assert experiment.staleness.clients == (3, 1)
    assert experiment.method.name == ("a", "b")


def test_one_client_a_round_differs_from_all_of_them() -> None:
    one = load_experiment(None, ["training.clients_per_round=1"]).training.clients_per_round
    everyone = load_experiment(None, ["training.clients_per_round=1.0"]).training.clients_per_round
    assert (type(one), type(everyone)) == (int, float)


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("run.rounds=0", "run.rounds = 0 is not valid; valid: integer > 0"),
        ("run.rounds=-3", "run.rounds = -3 is not valid; valid: integer > 0"),
        ("run.rounds=3.0", "run.rounds = 3.0 is not valid; valid: integer > 0"),
        ("run.rounds=true", "run.rounds = true is not valid; valid: integer > 0"),
        ("run.rounds=many", 'run.rounds = "many" is not valid; valid: integer > 0'),
        ("run.rounds=2024-01-01", 'run.rounds = "2024-01-01" is not valid; valid: integer > 0'),
        ("staleness.rounds=-1", "staleness.rounds = -1 is not valid; valid: integer >= 0"),
        ("partition.alpha=0", "partition.alpha = 0 is not valid; valid: number > 0"),
        ("partition.alpha=-0.1", "partition.alpha = -0.1 is not valid; valid: number > 0"),
        ("partition.clients=0", "partition.clients = 0 is not valid; valid: integer > 0"),
        ("training.lr=nan", "training.lr = nan is not valid; valid: finite number > 0"),
        ("training.lr=inf", "training.lr = inf is not valid; valid: finite number > 0"),
        ("training.weight_decay=inf", "training.weight_decay = inf is not valid; valid: finite number >= 0"),
        ("training.momentum=1", "training.momentum = 1 is not valid; valid: number >= 0 and < 1"),
        ("training.batch_size=-1", "training.batch_size = -1 is not valid; valid: integer >= 0"),
        ("training.nesterov=1", "training.nesterov = 1 is not valid; valid: true or false"),
        ("training.optimizer=adamw", 'training.optimizer = "adamw" is not valid; valid: one of sgd, adam'),
        ("training.proximal_mu=-1", "training.proximal_mu = -1 is not valid; valid: number >= 0"),
        (
            "training.clients_per_round=0",
            "clients_per_round = 0 is not valid; valid: integer > 0 or number > 0 and <= 1",
        ),
        ("training.clients_per_round=1.5", "valid: integer > 0 or number > 0 and <= 1"),
        ("training.clients_per_round=true", "clients_per_round = true is not valid"),
        ("staleness.clients=[1, -2]", "staleness.clients = [1, -2] is not valid; valid: list of integers >= 0"),
        ("staleness.clients=3", "staleness.clients = 3 is not valid; valid: list of integers >= 0"),
        ("staleness.late_fraction=1.1", "valid: number >= 0 and <= 1"),
        ("method.name=[1]", "method.name = [1] is not valid; valid: string or list of strings"),
        ("method.options=3", "method.options = 3 is not valid; valid: table"),
        ("partition.kind=shard", '"shard" is not valid; valid: one of dirichlet, iid, shards, one-class'),
        ("run.device=gpu", 'run.device = "gpu" is no device; valid: auto, cpu, cuda, cuda:N or mps'),
        ("run.device=cuda:", "valid: auto, cpu, cuda, cuda:N or mps"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_valid(override: str, said: str) -> None:
    assert said in message(override)
    assert message(override).startswith(f"--set {override}: ")


def test_an_unknown_key_is_named_with_the_nearest_and_all_valid_ones() -> None:
    assert message("run.round=3") == (
        '--set run.round=3: unknown "run.round"; did you mean "rounds"? '
        "Valid: rounds, seed, seeds, device, threads, jobs, checkpoint_every_rounds"
    )


def test_an_unknown_table_is_named_with_the_nearest_and_all_valid_ones() -> None:
    said = message("trainin.lr=3")
    assert 'unknown "trainin"; did you mean "training"? Valid: data, partition, staleness' in said


def test_nothing_near_means_no_guess() -> None:
    assert 'unknown "run.zzz"; valid: rounds, seed' in message("run.zzz=3")


def test_a_flag_is_put_down_to_the_command_line() -> None:
    assert message(run={"rounds": -5}) == "command line: run.rounds = -5 is not valid; valid: integer > 0"


def test_the_file_is_named_and_further_errors_are_counted(load: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load("[run]\nrounds = -1\nseed = 'a'\n[training]\nclients_per_round = -2\nlrr = 1")
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'late.toml'}: ")
    assert said.endswith("(and 3 more)")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[run]\nrounds = \n", "line 2, column 10"),
        ("[run\n", "line 1, column 5"),
        ("[run]\nrounds = 1\nrounds = 2\n", "line 3"),
        ("[run]\n[run]\n", "line 2"),
        ("run = 3", "run = 3 is not a table; write [run]"),
        ("[[run]]\nrounds = 3", "is not a table; write [run]"),
        ("[run]\nseed = " + "9" * 5000, "not valid TOML"),
    ],
)
def test_a_malformed_file_is_refused_with_the_place(load: Any, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load(text)
    assert said in str(caught.value)
    assert "late.toml" in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "late.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a UTF-8 text file"):
        load_experiment(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no.toml: cannot be read: No such file"):
        load_experiment(tmp_path / "no.toml")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load_experiment(tmp_path)


def test_a_long_value_is_shortened() -> None:
    assert len(message("run.rounds='" + "x" * 9000 + "'").split(": ", 2)[-1]) < 200


@given(st.text(), st.text())
def test_any_override_gives_an_experiment_or_one_line(key: str, value: str) -> None:
    said = "fine"
    try:
        load_experiment(None, [f"run.{key}={value}"])
    except InputError as error:
        said = str(error)
    assert len(said.splitlines()) == 1


# --- options follow the name they belong to -------------------------------------------------------------------------


def test_the_options_of_a_method_go_when_another_is_asked_for(load: Any) -> None:
    experiment = load("[method.options]\niterations = 3", method={"name": "unweighted"})
    assert experiment.method.options == {}


def test_the_options_of_a_method_stay_when_it_is_compared_with_others(load: Any) -> None:
    experiment = load("[method.options]\niterations = 3", method={"name": ["unweighted", "inversion"]})
    assert method_options(experiment.method, "inversion") == {"iterations": 3}
    assert method_options(experiment.method, "unweighted") == {}


def test_one_method_of_a_comparison_keeps_its_options(load: Any) -> None:
    experiment = load("[method]\nname = ['a', 'b']\n[method.options]\na.x = 1\nb.x = 2", "method.name=b")
    assert method_options(experiment.method, "b") == {"x": 2}


def test_the_options_of_a_data_set_go_when_another_is_asked_for(load: Any) -> None:
    text = "[data]\ndataset = 'hf'\noptions.source = 'x'\n[model]\noptions.dropout = 0.5"
    experiment = load(text, "data.dataset=digits", "data.options.normalise=false")
    assert experiment.data.options == {"normalise": False}
    assert experiment.model.options == {"dropout": 0.5}


# --- writing and single runs ----------------------------------------------------------------------------------------


@given(
    lr=st.floats(min_value=1e-300, max_value=1e300),
    share=st.floats(min_value=1e-9, max_value=1) | st.integers(1, 20),
    options=st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers() | st.text(max_size=5) | st.booleans()),
)
def test_what_is_written_reads_back_the_same(lr: float, share: float, options: dict[str, Any]) -> None:
    flags = {"training": {"lr": lr, "clients_per_round": share}, "method": {"options": options}}
    experiment = load_experiment(flags=flags)
    again = load_experiment(flags=tomli.loads(experiment_to_toml(experiment)))
    assert again == experiment
    assert type(again.training.clients_per_round) is type(experiment.training.clients_per_round)


@given(label=st.text(st.characters(codec="utf-8")))
def test_shadows_read_back_the_same_whatever_their_label(label: str) -> None:
    shadow = {"name": "inversion", "options": {"sparsify": 0.95}}
    experiment = load_experiment(flags={"evaluation": {"shadows": {label: shadow}}})
    again = load_experiment(flags=tomli.loads(experiment_to_toml(experiment)))
    assert again.evaluation.shadows == experiment.evaluation.shadows
    assert list(again.evaluation.shadows) == [label]


def test_a_shadow_can_be_set_at_the_command_line() -> None:
    experiment = load_experiment(None, ["evaluation.shadows.a.name=weighted", "evaluation.shadows.a.options.b=3"])
    shadow = experiment.evaluation.shadows["a"]
    assert (shadow.name, shadow.options) == ("weighted", {"b": 3})


def test_single_run_is_one_method_with_its_options_and_one_seed() -> None:
    overrides = ["method.name=['a', 'b']", "method.options.b.x=1", "run.seeds=3", "run.rounds=7"]
    experiment = load_experiment(None, overrides)
    run = single_run(experiment, "b", 2)
    assert method_names(experiment.method) == ("a", "b")
    assert (run.method.name, run.method.options) == ("b", {"x": 1})
    assert (run.run.seed, run.run.seeds, run.run.rounds) == (2, 1, 7)
    assert single_run(run, "b", 2) == run


def test_options_by_method_name_in_set_survive_a_list_of_methods_from_flags():
    changes = ["method.options.inversion.warm_iterations=10"]
    experiment = load_experiment(None, changes, {"method": {"name": ["unweighted", "inversion"]}})
    assert method_options(experiment.method, "inversion") == {"warm_iterations": 10}
    assert method_options(experiment.method, "unweighted") == {}


def test_options_in_set_belong_to_the_names_given_by_flags() -> None:
    changes = ["data.options.image_size=32", "model.options.hidden=[12]", "method.options.a=3"]
    names = {"data": {"dataset": "imagefolder:x"}, "model": {"name": "mlp"}, "method": {"name": "weighted"}}
    experiment = load_experiment(None, changes, names)
    assert experiment.data.options == {"image_size": 32}
    assert experiment.model.options == {"hidden": [12]}
    assert experiment.method.options == {"a": 3}


# --- bases and scales -----------------------------------------------------------------------------------------------


def files(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text)
    return folder / "file.toml"


PAPER = """
[run]
rounds = 200
seeds = 3
[scale.small.run]
rounds = 50
[scale.small.partition]
clients = 8
"""


def test_a_file_changes_its_base_and_a_scale_changes_both(tmp_path: Path) -> None:
    file = files(tmp_path, paper=PAPER, file='base = "paper.toml"\n[run]\nrounds = 600\n[scale.small.run]\nseeds = 2\n')
    full, small = load_experiment(file), load_experiment(file, scale="small")
    assert (full.run.rounds, full.run.seeds, full.partition.clients) == (600, 3, 20)
    assert (small.run.rounds, small.run.seeds, small.partition.clients) == (50, 2, 8)
    assert load_experiment(file, ["run.rounds=7"], scale="small").run.rounds == 7


def test_bases_may_have_bases(tmp_path: Path) -> None:
    file = files(tmp_path, paper=PAPER, middle='base = "paper.toml"', file='base = "middle.toml"')
    assert load_experiment(file, scale="small").run.rounds == 50


@pytest.mark.parametrize(
    ("text", "scale", "says"),
    [
        (PAPER, "tiny", "--scale tiny: FILE has no such scale; valid: small"),
        (
            "[run]\nrounds = 3",
            "small",
            "--scale small: FILE has no such scale; valid: a file with a table [scale.NAME]",
        ),
        ("scale = 3", "small", "scale = 3 is not a table of changes"),
        ("[scale]\nsmall = 3", "small", "is not a table of changes; valid: tables, as [scale.small.run]"),
        ("[scale.small.run]\nrounds = 0", "small", "FILE [scale.small]: run.rounds = 0"),
        ("base = 3", "", "base = 3 is not valid; valid: the path of an experiment file"),
        ('base = "file.toml"', "", 'base = "'),
        ('base = "none.toml"', "", "none.toml: cannot be read"),
    ],
)
def test_bases_and_scales_that_make_no_sense(tmp_path: Path, text: str, scale: str, says: str) -> None:
    file = files(tmp_path, file=text)
    with pytest.raises(InputError) as error:
        load_experiment(file, scale=scale)
    assert says.replace("FILE", str(file)) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_scale_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--scale small: the defaults have one scale only"):
        load_experiment(scale="small")


def test_a_method_named_at_the_command_line_leaves_out_the_options_that_a_scale_has_for_others(tmp_path: Path) -> None:
    paper = '[method]\nname = ["unweighted", "inversion"]\n[scale.small.method.options.inversion]\niterations = 7\n'
    file = files(tmp_path, paper=paper, file='base = "paper.toml"')
    assert method_options(load_experiment(file, scale="small").method, "inversion") == {"iterations": 7}
    assert load_experiment(file, ["method.name=unweighted"], scale="small").method.options == {}
    assert load_experiment(file, ["method.name=inversion"], scale="small").method.options == {"iterations": 7}


def test_nested_tables_as_dotted_keys() -> None:
    assert flat({"a": {"b": {"c": 1}, "d": {}}, "e": 2}) == {"a.b.c": 1, "e": 2}
