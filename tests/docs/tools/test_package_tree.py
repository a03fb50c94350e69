from __future__ import annotations

from pathlib import Path

import pytest

from docs.tools.package_tree import PACKAGE, first_sentence, folders, modules_of


@pytest.mark.parametrize(
    ("docstring", "sentence"),
    [
        ("One sentence.", "One sentence."),
        ("Two lines,\none sentence. And another.", "Two lines, one sentence."),
        (
            "The search (SIAM J. Sci. Comput. 1995) of ``scipy``. More.",
            "The search (SIAM J. Sci. Comput. 1995) of `scipy`.",
        ),
        ("Is it one? Yes.", "Is it one?"),
        ("No full stop", "No full stop"),
    ],
)
def test_the_first_sentence_stands_on_one_line(docstring: str, sentence: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(f'"""{docstring}"""\n')
    assert first_sentence(module) == sentence


def test_a_module_without_a_docstring_has_none(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("x = 1\n")
    assert first_sentence(module) == ""


def test_inner_folders_follow_their_outer_one_and_loose_modules_come_last() -> None:
    places = folders()
    names = [(place.depth, place.name) for place in places]
    audit = names.index((0, "audit/"))
    assert names[audit + 1] == (1, "measure/")
    assert names[-1] == (0, "storage.py")
    assert "__init__.py" not in [module.name for module in modules_of(PACKAGE / "audit")]
