from __future__ import annotations

from typing import Any

from stalefl.records.run_groups import Setting
from stalefl.report.tables.pivots import pivots_markdown


def result(affected: float | None, to_target: int | None = None) -> dict[str, Any]:
    return {
        "mean_after_first_late": {"affected_class_accuracy": affected, "accuracy": 0.5},
        "rounds_to_target": {"target": 0.7, "affected_class_accuracy": to_target, "accuracy": 40},
    }


def setting(rounds: int, method: str, *results: dict[str, Any], seeds: int = 0) -> Setting:
    return Setting({"staleness.rounds": rounds, "method.name": method}, results, seeds or len(results))


SETTINGS = [
    setting(10, "unstale", result(0.9, 20)),
    setting(10, "weighted", result(0.2), result(0.4)),
    setting(10, "inversion", result(0.8, 30), result(0.8, 40)),
    setting(40, "unstale", result(0.9, 20)),
    setting(40, "weighted", result(0.5, 60)),
    setting(40, "inversion", result(0.4, 50), seeds=3),
]


def test_methods_down_settings_across_the_best_of_a_column_bold() -> None:
    accuracy, rounds = (part.splitlines() for part in pivots_markdown(SETTINGS).split("\n\nRounds"))
    assert accuracy == [
        "Accuracy on the affected class, mean from the first late update on:",
        "",
        "| method | staleness.rounds 10 | staleness.rounds 40 |",
        "| --- | ---: | ---: |",
        "| unstale | 0.900 | 0.900 |",
        "| weighted | 0.300 ± 0.141 | **0.500** |",
        "| inversion | **0.800 ± 0.000** | 0.400 (1 of 3 seeds) |",
    ]
    assert rounds[4:] == [
        "| unstale | 20 | 20 |",
        "| weighted | – | 60 |",
        "| inversion | **35 ± 7** | **50** (1 of 3 seeds) |",
    ]


def tried(rounds: int, method: str, accuracy: float, **values: Any) -> Setting:
    return Setting({"staleness.rounds": rounds, "method.name": method, **values}, [result(accuracy)], 1)


def test_options_that_were_tried_make_rows_of_their_method() -> None:
    key = "method.options.fedasync.alpha"
    settings = [
        tried(rounds, method, accuracy + rounds / 1000, **{key: alpha})
        for rounds in (10, 40)
        for method, alpha, accuracy in (("fedasync", 0.6, 0.2), ("fedasync", 0.2, 0.1), ("inversion", 0.6, 0.8))
    ]
    lines = pivots_markdown(settings).splitlines()
    assert lines[2:] == [
        "| method | staleness.rounds 10 | staleness.rounds 40 |",
        "| --- | ---: | ---: |",
        "| fedasync alpha=0.6 | 0.210 | 0.240 |",
        "| fedasync alpha=0.2 | 0.110 | 0.140 |",
        "| inversion | **0.810** | **0.840** |",
    ]


def test_so_do_whole_tables_of_options() -> None:
    tables = {"fedbuff": {"buffer_size": 20, "server_lr": 0.5}, "inversion": {}}
    settings = [
        tried(rounds, method, 0.5, **{"method.options": {method: tables[method], "ace": {"server_lr": 1.0}}})
        for rounds in (10, 40)
        for method in tables
    ] + [tried(10, "fedbuff", 0.6, **{"method.options": {"fedbuff": {"buffer_size": 20}}})]
    rows = [line.split(" | ")[0] for line in pivots_markdown(settings).splitlines()[4:]]
    assert rows == ["| fedbuff server_lr=0.5", "| inversion", "| fedbuff"]
    assert pivots_markdown(settings[:2]) == "", "one setting only"


def test_a_setting_in_which_a_method_has_not_run_has_a_dash() -> None:
    assert "| inversion | **0.800 ± 0.000** | – |" in pivots_markdown(SETTINGS[:5])


def test_without_an_affected_class_all_classes_count() -> None:
    settings = [setting(rounds, name, result(None)) for rounds in (10, 40) for name in ("weighted", "inversion")]
    text = pivots_markdown(settings)
    assert "Accuracy on all classes" in text
    assert "| weighted | **0.500** | **0.500** |" in text
    assert "| weighted | **40** | **40** |" in text


def test_a_target_that_no_run_reached_has_no_table() -> None:
    settings = [setting(rounds, name, result(0.5)) for rounds in (10, 40) for name in ("weighted", "inversion")]
    assert "Rounds" not in pivots_markdown(settings)


def test_nothing_to_compare() -> None:
    assert pivots_markdown(SETTINGS[:3]) == ""
    assert pivots_markdown([SETTINGS[0], SETTINGS[3]]) == ""
    assert pivots_markdown([Setting({"partition.alpha": 1}, [], 1)]) == ""


def test_settings_of_which_no_seed_has_finished_have_dashes() -> None:
    settings = [setting(rounds, name, seeds=2) for rounds in (10, 40) for name in ("weighted", "inversion")]
    assert "| weighted | – | – |\n| inversion | – | – |\n" in pivots_markdown(settings)
    assert pivots_markdown([]) == ""


def test_values_that_are_equal_but_written_otherwise_have_columns_of_their_own() -> None:
    settings = [
        Setting({"partition.alpha": alpha, "method.name": name}, [result(0.5)], 1)
        for alpha in (1, 1.0, True)
        for name in ("weighted", "inversion")
    ]
    assert "| method | alpha 1 | alpha 1.0 | alpha true |" in pivots_markdown(settings)


def test_a_bar_in_the_name_of_a_method_does_not_break_the_table() -> None:
    settings = [setting(rounds, name, result(0.5)) for rounds in (10, 40) for name in ("mine|other", "inversion")]
    assert r"| mine\|other | **0.500** | **0.500** |" in pivots_markdown(settings)
