from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stalefl.cli import main
from stalefl.config.schema import PartitionTable, StalenessTable
from stalefl.contracts import DataContext
from stalefl.data.partition_file import load_partition
from stalefl.data.setup import prepare_partition
from stalefl.registry import load_registry

DIRICHLET = ("--clients", "40", "--alpha", "0.1", "--affected-class", "5", "--late-clients", "4")


def partition(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> tuple[str, str]:
    """What ``stalefl partition`` prints on stdout and on stderr."""
    assert main(["partition", *map(str, arguments)]) == code
    return capsys.readouterr()


def as_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    out, err = partition(capsys, *arguments, "--json")
    assert err == ""
    document: dict[str, Any] = json.loads(out)
    return document


def test_json_tells_who_holds_what_and_who_is_late(capsys: pytest.CaptureFixture[str]) -> None:
    document = as_json(capsys, *DIRICHLET)
    assert (document["dataset"], document["clients"], document["classes"]) == ("digits", 40, 10)
    assert document["partition"]["kind"] == "dirichlet"
    assert document["sizes"] == [35] * 40
    held = [row[5] for row in document["counts"]]
    fourth = sorted(held, reverse=True)[3]
    assert len(document["late_clients"]) == 4
    assert all(held[client] >= fourth for client in document["late_clients"])
    late = sum(held[client] for client in document["late_clients"])
    assert document["late_share_of_affected_class"] == pytest.approx(late / sum(held))


def test_it_is_the_partition_that_the_simulation_prepares(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "part.safetensors"
    assert as_json(capsys, *DIRICHLET, "--seed", 3, "--out", out)["out"] == str(out)
    stored, late, meta = load_partition(out)
    digits = load_registry().create("dataset", "digits").load(DataContext(tmp_path))
    spec = PartitionTable(kind="dirichlet", clients=40, alpha=0.1)
    wanted, wanted_late = prepare_partition(digits, spec, StalenessTable(affected_class=5, late_clients=4), seed=3)
    assert all((a == b).all() for a, b in zip(stored.indices, wanted.indices, strict=True))
    assert late == wanted_late
    assert (meta["dataset"], meta["seed"]) == ("digits", 3)


def test_a_stored_partition_is_shown_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "part.safetensors"
    drawn = as_json(capsys, *DIRICHLET, "--out", out)
    shown = as_json(capsys, "--set", f"partition.file={out}", "--late-clients", 4, "--seed", 9)
    for key in ("counts", "late_clients", "clients"):
        assert shown[key] == drawn[key]


def test_the_flag_is_taken_under_its_former_name(capsys: pytest.CaptureFixture[str]) -> None:
    former, today = (as_json(capsys, "--clients", 10, flag, 3) for flag in ("--stale-clients", "--late-clients"))
    assert former == today
    assert len(former["late_clients"]) == 3


def test_the_table_marks_late_clients(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = partition(capsys, "--clients", 10, "--late-clients", 1)
    rows = {cells[0]: cells[1:] for line in out.splitlines() if (cells := line.split())}
    assert rows["5"] == ["late", *"·" * 5, "140", *"·" * 4, "140"]
    assert rows["4"] == [*"·" * 4, "140", *"·" * 5, "140"]
    assert rows["all"] == ["140"] * 10 + ["1400"]
    assert "late clients: 5; they hold 140 of 140 samples of class 5 (100%)" in out


def test_the_affected_class_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for label in ("10", "9", "a"):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(5):
            Image.new("L", (8, 8)).save(tmp_path / "pictures" / label / f"{number}.png")
    use = ["--dataset", "imagefolder:pictures", "--data-dir", tmp_path, "--partition", "iid", "--clients", 2]
    small = ["--stale-clients", 2, "--set", "data.options.image_size=8"]
    out, _ = partition(capsys, *use, *small, "--affected-class", 1)
    assert "samples of class 1 (10) (100%)" in out
    assert [line.split()[1:4] for line in out.splitlines() if line.split()[:1] == ["client"]] == [["9", "10", "a"]]
    _, err = partition(capsys, *use, *small, "--affected-class", 10, code=2)
    assert "classes are 0 to 2, which are 9, 10, a; class 1 has the name 10" in err


def test_of_many_clients_all_late_ones_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = partition(capsys, "--clients", 200, "--alpha", "0.1", "--late-clients", 10)
    late = next(line for line in out.splitlines() if line.startswith("late clients: "))
    numbers = late.removeprefix("late clients: ").split(";")[0].split(", ")
    marked = [line.split()[0] for line in out.splitlines() if line.split()[1:2] == ["late"]]
    assert marked == numbers
    assert len(marked) == 10
    assert "150 of 200 clients are not shown" in out


def test_nobody_needs_to_be_late(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = partition(capsys, "--late-clients", 0)
    assert "no client is late" in out


def test_quiet_is_silent(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert partition(capsys, "-q", "--out", tmp_path / "p", "--plot", tmp_path / "p.png") == ("", "")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert load_partition(tmp_path / "p")[0].clients == 20


def test_sizes_imply_dirichlet(capsys: pytest.CaptureFixture[str]) -> None:
    document = as_json(capsys, "--sizes", "natural")
    assert document["partition"]["kind"] == "dirichlet"
    assert len(set(document["sizes"])) > 1


def test_samples_per_client(capsys: pytest.CaptureFixture[str]) -> None:
    assert as_json(capsys, "--partition", "shards", "--samples-per-client", 9)["sizes"] == [9] * 20


def test_what_is_there_is_kept_without_force(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "part"
    out.write_text("precious")
    assert "exists; give another name, or --force" in partition(capsys, "--out", out, code=2)[1]
    assert out.read_text() == "precious"
    partition(capsys, "--out", out, "--force")
    assert load_partition(out)[0].clients == 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--clients", "0"], "partition.clients = 0 is not valid"),
        (["--clients", "-3"], "partition.clients = -3 is not valid"),
        (["--alpha", "0"], "partition.alpha = 0.0 is not valid"),
        (["--alpha", "nan"], "partition.alpha"),
        (["--alpha", "inf"], "partition.alpha"),
        (["--alpha", "1", "--partition", "iid"], "--alpha belongs to --partition dirichlet"),
        (["--sizes", "natural", "--partition", "shards"], "--sizes belongs to --partition dirichlet"),
        (["--partition", "pathological"], "valid: one of dirichlet, iid, shards, one-class"),
        (["--clients", "2000", "--alpha", "1"], "the data set has only 1400 samples"),
        (["--affected-class", "10"], "classes are 0 to 9"),
        (["--late-clients", "51"], "more than there are clients"),
        (["--dataset", "digit"], 'did you mean "digits"'),
        (["--dataset", "mnist", "--data-dir", "nowhere"], "no such folder"),
        (["--out", "nowhere/part"], "there is no folder nowhere"),
        (["--out", "."], "is a folder; name a file"),
        (["--plot", "part.bmpx"], "unknown ending '.bmpx'"),
        (["--set", "partition.file=none"], "no partition file none"),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    out, err = partition(capsys, *arguments, code=2)
    assert out == ""
    assert said in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
