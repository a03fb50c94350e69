from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stalefl.cli.update_options import UpdateOfRun, check_source, files_experiment, named
from stalefl.contracts import InputError

RUN, NO_RUN = UpdateOfRun(Path("run"), 4, 2), UpdateOfRun(None, None, None)
FILES: dict[str, Any] = {"--base": Path("base"), "--update": Path("update"), "--client-data": None}
NO_FILES = dict.fromkeys(FILES)


def test_options_have_their_names_on_the_command_line() -> None:
    assert named(RUN) == {"--run": Path("run"), "--client": 4, "--round": 2}


def test_one_update_is_named() -> None:
    check_source(named(RUN), NO_FILES, {"--model": None}, "delta")
    check_source(named(NO_RUN), FILES, {"--model": "mlp"}, "weights")


@pytest.mark.parametrize(
    ("run", "files", "message"),
    [
        (NO_RUN, NO_FILES, "no update is named; valid: --run, --client and --round, or --base and --update"),
        (RUN._replace(round=None), NO_FILES, "--round is missing; valid: --run, --client, --round"),
        (RUN, FILES, "--base does not go with --run; valid: --client, --round"),
        (NO_RUN._replace(client=4), FILES, "--client does not go with files; valid: --base, --update, --model"),
        (NO_RUN, {**FILES, "--update": None}, "--update is missing; valid: --base, --update"),
    ],
)
def test_what_is_missing_or_too_much_is_named(run: UpdateOfRun, files: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        check_source(named(run), files, {"--model": None}, "delta")
    assert str(raised.value) == message


def test_settings_that_say_nothing_of_files_are_refused() -> None:
    program = ["training.local_epochs=3"]
    assert files_experiment(program, {"audit": {"restarts": 2}}, own_tables=["audit"]).audit.restarts == 2
    with pytest.raises(InputError, match="--set staleness.rounds: says nothing of an update of files"):
        files_experiment([*program, "staleness.rounds=2"], {}, own_tables=[])
