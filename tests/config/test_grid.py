from __future__ import annotations

from pathlib import Path

import pytest

from stalefl.config.grid import Cell, load_grid
from stalefl.config.naming import cell_label, short_names
from stalefl.contracts import InputError


def cells(tmp_path: Path, text: str, *overrides: str) -> list[Cell]:
    file = tmp_path / "grid.toml"
    file.write_text(text)
    return load_grid(file, overrides)


def test_the_product_is_taken_the_last_key_varying_fastest(tmp_path: Path) -> None:
    found = cells(tmp_path, '[grid]\n"staleness.rounds" = [10, 40]\n"partition.alpha" = [1, 0.1]\n[run]\nseeds = 3')
    assert [cell.values for cell in found] == [
        {"staleness.rounds": 10, "partition.alpha": 1},
        {"staleness.rounds": 10, "partition.alpha": 0.1},
        {"staleness.rounds": 40, "partition.alpha": 1},
        {"staleness.rounds": 40, "partition.alpha": 0.1},
    ]
    assert found[1].name == "2-staleness.rounds=10-alpha=0.1"
    assert found[2].experiment.staleness.rounds == 40
    assert {cell.experiment.run.seeds for cell in found} == {3}


def test_keys_may_be_written_as_tables_and_vary_together(tmp_path: Path) -> None:
    found = cells(
        tmp_path,
        "[grid]\nstaleness.rounds = [1, 2]\n"
        '[[grid.zip]]\n"data.dataset" = ["digits", "mnist"]\n"model.name" = ["mlp", "lenet"]',
    )
    assert [cell.label for cell in found] == [
        "staleness.rounds=1, dataset=digits, model=mlp",
        "staleness.rounds=1, dataset=mnist, model=lenet",
        "staleness.rounds=2, dataset=digits, model=mlp",
        "staleness.rounds=2, dataset=mnist, model=lenet",
    ]


def test_each_method_has_its_own_options(tmp_path: Path) -> None:
    found = cells(
        tmp_path,
        '[grid]\n"method.name" = ["unweighted", "inversion"]\n[method.options.inversion]\niterations = 7',
    )
    assert [(cell.experiment.method.name, cell.experiment.method.options) for cell in found] == [
        ("unweighted", {}),
        ("inversion", {"iterations": 7}),
    ]


def test_options_of_one_method_make_no_further_cells_of_the_others(tmp_path: Path) -> None:
    found = cells(
        tmp_path,
        '[grid]\n"staleness.rounds" = [10, 40]\n"method.name" = ["inversion", "fedasync"]\n'
        '"method.options.fedasync.alpha" = [0.6, 0.2]',
    )
    assert [cell.label.replace("staleness.rounds=", "") for cell in found] == [
        "10, method=inversion",
        "10, method=fedasync, method.options.fedasync.alpha=0.6",
        "10, method=fedasync, method.options.fedasync.alpha=0.2",
        "40, method=inversion",
        "40, method=fedasync, method.options.fedasync.alpha=0.6",
        "40, method=fedasync, method.options.fedasync.alpha=0.2",
    ]
    assert [cell.experiment.method.options for cell in found[:2]] == [{}, {"alpha": 0.6}]


@pytest.mark.parametrize("key", ["method.options.size", "method.options.inversion.size"])
def test_options_of_a_list_of_one_method_may_stand_under_its_name(tmp_path: Path, key: str) -> None:
    found = cells(tmp_path, f'[grid]\n"method.name" = ["inversion"]\n"{key}" = [4, 8]')
    assert [cell.experiment.method.options for cell in found] == [{"size": 4}, {"size": 8}]


def test_tables_of_options_go_with_the_names_of_their_methods(tmp_path: Path) -> None:
    found = cells(
        tmp_path,
        '[[grid.zip]]\n"method.name" = ["fedasync", "inversion"]\n'
        '"method.options" = [{ fedasync = { alpha = 0.2 } }, {}]',
    )
    assert [cell.experiment.method.options for cell in found] == [{"alpha": 0.2}, {}]
    with pytest.raises(InputError, match=r"valid: under its method, as method\.options\.NAME\.alpha"):
        cells(
            tmp_path,
            '[[grid.zip]]\n"method.name" = ["fedasync", "inversion"]\n"method.options" = [{ alpha = 0.2 }, {}]',
        )


def test_options_of_a_file_that_names_no_method_stand_under_those_of_the_grid(tmp_path: Path) -> None:
    grid = '[grid]\n"method.name" = ["unweighted", "inversion"]\n'
    with pytest.raises(
        InputError, match=r"no method of the grid \(unweighted, inversion\); valid: under its method, as"
    ):
        cells(tmp_path, f"{grid}[method.options]\nwarm_iterations = 5")
    found = cells(tmp_path, f'{grid}[method]\nname = "inversion"\n[method.options]\nwarm_iterations = 5')
    assert [cell.experiment.method.options for cell in found] == [{}, {"warm_iterations": 5}]


def test_options_of_a_single_method_vary(tmp_path: Path) -> None:
    found = cells(
        tmp_path,
        '[method]\nname = "inversion"\noptions = { size = 4 }\n[grid]\n"method.options.iterations" = [1, 2]',
    )
    assert [cell.experiment.method.options for cell in found] == [
        {"size": 4, "iterations": 1},
        {"size": 4, "iterations": 2},
    ]


def test_a_list_of_methods_in_the_base_is_one_more_key(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('[method]\nname = ["unstale", "weighted"]\n[run]\nrounds = 9\nseed = 4')
    found = cells(tmp_path, 'base = "other.toml"\n[run]\nrounds = 5\n[grid]\n"partition.alpha" = [1.0]')
    assert [cell.label for cell in found] == ["alpha=1.0, method=unstale", "alpha=1.0, method=weighted"]
    assert {(cell.experiment.run.rounds, cell.experiment.run.seed) for cell in found} == {(5, 4)}


def test_overrides_hold_in_every_cell(tmp_path: Path) -> None:
    found = cells(tmp_path, '[run]\nrounds = 5\n[grid]\n"staleness.rounds" = [1, 2]', "run.rounds=7")
    assert {cell.experiment.run.rounds for cell in found} == {7}


def test_labels_are_short_where_that_is_clear() -> None:
    keys = ["partition.alpha", "staleness.rounds", "method.name", "data.dataset", "method.options.iterations"]
    assert list(short_names(keys).values()) == ["alpha", "staleness.rounds", "method", "dataset", "iterations"]
    keys = ["method.options.inversion.iterations", "method.options.anchored-inversion.iterations"]
    assert list(short_names(keys).values()) == keys
    assert cell_label({"staleness.clients": [1, 2], "partition.kind": "iid"}) == "staleness.clients=[1, 2], kind=iid"
    assert cell_label({"method.options": {"weighted": {}}}) == 'method.options={"weighted": {}}'
    options = {"fedasync": {"alpha": 0.6, "weighting": "hinge"}, "weighted": {}}
    assert cell_label({"method.options": options}) == ("method.options=fedasync.alpha=0.6, fedasync.weighting=hinge")


@pytest.mark.parametrize(
    ("grid", "says"),
    [
        ("", "no table [grid]"),
        ("[grid]", "no table [grid]"),
        ('[grid]\n"rounds" = [1]', "grid key rounds: valid: TABLE.KEY"),
        ('[grid]\n"stalenes.rounds" = [1]', 'no table "stalenes"; did you mean "staleness"?'),
        ('[grid]\n"staleness.round" = [1]', 'cell round=1: unknown "staleness.round"; did you mean "rounds"?'),
        ('[grid]\n"staleness.rounds" = 1', "grid key staleness.rounds = 1 is not valid; valid: a list"),
        ('[grid]\n"staleness.rounds" = []', "valid: a list of values"),
        ('[grid]\n"staleness.rounds" = [3, 3]', "staleness.rounds = 3 is there twice"),
        ('[grid]\n"staleness.rounds" = [3, -3]', "cell staleness.rounds=-3: staleness.rounds = -3 is not valid"),
        ('[grid]\n"run.seed" = [1]', "run.seed cannot be varied; valid instead: run.seeds"),
        ('[grid]\n"method.name" = [["unstale", "weighted"]]', "valid: the name of one method"),
        ("[grid]\nzip = 3", "write [[grid.zip]]"),
        (
            '[[grid.zip]]\n"run.rounds" = [1]\n"partition.alpha" = [1, 2]',
            "run.rounds has 1, partition.alpha has 2; valid: keys with lists of one length",
        ),
        (
            '[grid]\n"run.rounds" = [1]\n[[grid.zip]]\n"run.rounds" = [1]',
            "grid key run.rounds is there twice",
        ),
        (
            '[grid]\n"model.options" = [{ hidden = [4] }]\n"model.options.hidden" = [[4]]',
            "model.options.hidden is a part of grid key model.options",
        ),
        (f'[grid]\n"run.rounds" = {list(range(1, 102))}\n"partition.alpha" = {list(range(1, 101))}', "10100 cells"),
        ('base = 3\n[grid]\n"run.rounds" = [1]', "base = 3 is not valid"),
        ('base = "none.toml"\n[grid]\n"run.rounds" = [1]', "none.toml: cannot be read"),
    ],
)
def test_a_grid_that_makes_no_sense_is_one_line_that_names_the_key(tmp_path: Path, grid: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        cells(tmp_path, grid)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_what_the_grid_varies_is_not_overridden(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="staleness.rounds is varied by the grid"):
        cells(tmp_path, '[grid]\n"staleness.rounds" = [1]', "staleness.rounds=3")


def test_a_scale_changes_the_grid_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("[run]\nrounds = 200\n[scale.small.run]\nrounds = 20\n")
    (tmp_path / "grid.toml").write_text(
        """base = "base.toml"
        [grid]
        "partition.alpha" = [0.5, 1]
        "staleness.rounds" = [10, 100]
        [[grid.zip]]
        "data.dataset" = ["digits", "mnist"]
        [scale.small.grid]
        "staleness.rounds" = [5]
        [[scale.small.grid.zip]]
        "data.dataset" = ["digits"]
        """
    )
    full, small = load_grid(tmp_path / "grid.toml"), load_grid(tmp_path / "grid.toml", scale="small")
    assert (len(full), full[0].experiment.run.rounds) == (8, 200)
    assert [(cell.label, cell.experiment.run.rounds) for cell in small] == [
        ("alpha=0.5, staleness.rounds=5, dataset=digits", 20),
        ("alpha=1, staleness.rounds=5, dataset=digits", 20),
    ]


def test_a_grid_may_be_based_on_a_grid(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text('[grid]\n"staleness.rounds" = [10, 40]')
    found = cells(tmp_path, 'base = "base.toml"\n[grid]\n"partition.alpha" = [1]')
    assert [cell.label for cell in found] == ["staleness.rounds=10, alpha=1", "staleness.rounds=40, alpha=1"]
