from __future__ import annotations

import inspect
import logging
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from typer.main import get_command

import stalefl
from stalefl.cli import app as frame
from stalefl.cli import main
from stalefl.cli.common import console, named_key, print_json, set_up_logging
from stalefl.contracts import PROGRESS, InputError
from stalefl.data.place import data_context

COMMANDS = ["partition", "simulate", "evaluate", "invert", "plugins"]
HEAVY = {"torch", "numpy", "matplotlib", "datasets", "sklearn", "torchvision", "rich"}


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    logger = logging.getLogger("stalefl")
    before = logger.handlers, logger.level, logger.propagate
    yield
    logger.handlers, level, logger.propagate = before
    logger.setLevel(level)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """Put an app in place whose one command ``fail`` raises the given error; ``-v`` is on for ``fail --verbose``."""

    def install(error: BaseException) -> None:
        app = typer.Typer(rich_markup_mode=None, add_completion=False)

        @app.callback()
        def root() -> None: ...

        @app.command("fail")
        def fail(verbose: bool = False) -> None:
            set_up_logging(verbose=verbose)
            raise error

        monkeypatch.setattr(frame, "app", app)

    return install


# --- exit codes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("staleness.rounds = -1 is not valid"), 2, "error: staleness.rounds = -1 is not valid\n"),
        (InputError("two\nlines"), 2, "error: two lines\n"),
        (PermissionError(13, "Permission denied", "/x/y"), 2, "error: /x/y: Permission denied\n"),
        (typer.BadParameter("no such thing"), 2, "error: Invalid value: no such thing See: stalefl fail --help\n"),
        (typer.Exit(3), 3, ""),
        (typer.Exit(0), 0, ""),
        (KeyboardInterrupt(), 130, ""),
        (typer.Abort(), 130, ""),
        (
            ZeroDivisionError("a\nb"),
            1,
            "error: a bug in stalefl or a plugin: ZeroDivisionError: a b (-v shows where)\n",
        ),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(failing, capsys, error, code, said) -> None:
    failing(error)
    assert main(["fail"]) == code
    streams = capsys.readouterr()
    assert streams.err.lstrip("\n") == said
    assert streams.out == ""


def test_verbose_shows_where_an_error_arose(failing, capsys) -> None:
    failing(ZeroDivisionError("x"))
    assert main(["fail", "--verbose"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nonsense"], "No such option: --nonsense"),
        (["simulat"], "No such command 'simulat'"),
        (
            ["simulate", "--rounds", "many"],
            "--rounds many: not valid; valid: integer > 0. See: stalefl simulate --help",
        ),
        (["simulate", "--rounds=3", "--rounds=x"], "--rounds x: not valid; valid: integer > 0."),
        (["simulate", "--rounds="], "--rounds '': not valid; valid: integer > 0."),
        (["simulate", "--rounds"], "Option '--rounds' requires an argument. See: stalefl simulate --help"),
        (["partition", "--alpha", "x"], "--alpha x: not valid; valid: number > 0. See: stalefl partition --help"),
        (["partition", "--clients", "2.5"], "--clients 2.5: not valid; valid: integer > 0."),
        (["invert", "--client", "five"], "--client five: not valid; valid: integer. See: stalefl invert --help"),
        (["invert", "--sparsify=half"], "--sparsify half: not valid; valid: number. See: stalefl invert --help"),
        (["evaluate", "--affected-class=a"], "--affected-class a: not valid; valid: integer >= 0."),
        (["--version=3"], "Option '--version' does not take a value. See: stalefl --help"),
        (["simulate", "--set", "run.round=3"], 'did you mean "rounds"?'),
        (["simulate", "--rounds", "-5"], "run.rounds = -5 is not valid; valid: integer > 0"),
        (["simulate", "--method", "inversoin"], 'did you mean "inversion"?'),
        (["simulate", "--dataset", "digist"], 'did you mean "digits"?'),
        (["simulate", "--model", "lenett"], 'did you mean "lenet"?'),
        (["simulate", "no-such.toml"], "no-such.toml: cannot be read"),
        (["simulate", "--set", "partition.alpha=0", "--method", "unweighted"], "partition.alpha = 0 is not valid"),
        (["simulate", "--set", "method.options.iterashuns=3", "--method", "inversion"], 'unknown "iterashuns"'),
        (["plugins", "show"], "NAME"),
        (["plugins", "-q", "-v"], "exclude each other"),
    ],
)
def test_bad_input_is_one_line_on_stderr(arguments, said, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    *before, error = streams.err.splitlines()
    assert error.startswith("error: ")
    assert said in error
    # What takes a while is announced; nothing else comes before the error.
    assert all(line.startswith("reading ") for line in before)
    assert list(tmp_path.iterdir()) == []


# --- help -----------------------------------------------------------------------------------------------------------


def test_version(capsys) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"stalefl {stalefl.__version__}\n"


def test_without_arguments_it_helps(capsys) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(f"  {command} " in out for command in COMMANDS)


@pytest.mark.parametrize("arguments", [[], *([c] for c in COMMANDS), ["plugins", "show"]])
def test_every_help_has_an_example(arguments, capsys) -> None:
    assert main([*arguments, "--help"]) == 0
    assert "Example: stalefl" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("command", ["partition", "simulate", "evaluate"])
def test_options_stand_under_headings_and_each_once(command: str, capsys) -> None:
    assert main([command, "--help"]) == 0
    listed = capsys.readouterr().out.partition("\nExperiment:\n")[2]
    experiment, output, machine = re.split(r"^Output:$|^Machine:$", listed, flags=re.MULTILINE)
    assert "  --set TABLE.KEY=VALUE" in experiment
    assert "  -q, --quiet " in output
    assert "  --data-dir DIR " in machine
    options = [option for line in listed.splitlines() for option in re.findall(r"^  (?:-\w, )?(--[\w-]+)", line)]
    defined = get_command(frame.app).commands[command].params
    shown = [p.opts[0] for p in defined if p.param_type_name == "option" and not p.hidden]
    assert sorted(options) == sorted(["--help", *shown])


@pytest.mark.parametrize("function", [frame.partition_command, frame.simulate_command, frame.evaluate_command])
def test_options_that_take_numbers_name_their_key(function: Any) -> None:
    """Else their errors could not say what is valid."""
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    declared = [get_args(parameter.annotation) for parameter in parameters]
    numbers = [option for kind, option in declared if kind in (int | None, float | None)]
    assert numbers
    assert [option.help for option in numbers if not named_key(option.help)] == []


def test_a_key_that_an_option_names() -> None:
    found = named_key("Rounds to simulate, as run.rounds.")
    assert found
    assert (found.name, found.type, found.default) == ("rounds", "integer > 0", "70")
    assert named_key("Draw it, as the paper's Figure 7.") is None


@pytest.mark.parametrize(
    "arguments", [["--help"], ["simulate", "--help"], ["evaluate", "--help"], ["plugins", "--help"], ["--version"]]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from stalefl.cli import main; assert main(sys.argv[1:]) == 0; "
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    root = Path(stalefl.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    imported = set(done.stderr.split())
    assert "typer" in imported
    assert imported & HEAVY == set()


def test_the_module_runs_as_the_console_script_does() -> None:
    root = Path(stalefl.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "stalefl", "--nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")


# --- what subcommands share -----------------------------------------------------------------------------------------


def test_the_data_folder_is_the_option_else_the_variable_else_the_cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("STALEFL_DATA", str(tmp_path / "variable"))
    assert data_context(tmp_path / "option", True).data_dir == tmp_path / "option"
    assert data_context(None, False).data_dir == tmp_path / "variable"
    monkeypatch.setenv("STALEFL_DATA", "")
    assert "stalefl" in data_context(None, False).data_dir.parts
    assert not data_context(None, False).download


def test_a_file_is_no_data_folder(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: not a folder"):
        data_context(tmp_path / "file", False)


def test_json_has_null_for_what_is_no_number(capsys) -> None:
    print_json({"a": [1.0, float("nan")], "b": (float("inf"), Path("x")), 3: None})
    assert capsys.readouterr().out == (
        '{\n  "a": [\n    1.0,\n    null\n  ],\n  "b": [\n    null,\n    "x"\n  ],\n  "3": null\n}\n'
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "warning: late\nhalf of it\n"),
        ({"quiet": True}, ""),
        ({"verbose": True}, "warning: late\ndebug: detail\nhalf of it\n"),
    ],
)
def test_warnings_and_progress_are_lines_on_stderr(options, said, capsys) -> None:
    with warnings.catch_warnings():
        set_up_logging(**options)
    logging.getLogger("stalefl.x").warning("late")
    logging.getLogger("stalefl.x").debug("detail")
    logging.getLogger(PROGRESS).info("half of it")
    assert capsys.readouterr().err == said


def test_results_are_printed_as_they_are(capsys) -> None:
    console().print("[P] :smile: " + "x" * 100)
    console(stderr=True).print("progress")
    streams = capsys.readouterr()
    assert streams.out == "[P] :smile: " + "x" * 100 + "\n"
    assert streams.err == "progress\n"
