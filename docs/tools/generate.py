"""Write the pages that follow from the code: ``python -m docs.tools.generate`` (``make docs``).

tests/test_docs.py fails when a page is out of date. ``python -m docs.tools.generate keep FOLDER NAME`` first copies
the records of a run, comparison, sweep or audit to docs/records/NAME.
"""

from __future__ import annotations

import sys
from pathlib import Path

from docs.tools.cli_page import cli_page
from docs.tools.experiment_page import experiment_page
from docs.tools.kept_records import keep
from docs.tools.markdown_page import DOCS
from docs.tools.modules_page import modules_page
from docs.tools.onboarding_page import onboarding_page
from docs.tools.plugins_page import plugins_page
from docs.tools.records_page import records_page
from docs.tools.results_page import results_page

PAGES = {
    "cli.md": cli_page,
    "experiment-file.md": experiment_page,
    "plugins.md": plugins_page,
    "records.md": records_page,
    "results.md": results_page,
    "onboarding.md": onboarding_page,
    "modules.md": modules_page,
}
"""File names in docs/, and what makes the text that they must hold."""


def main(arguments: list[str]) -> None:
    """Keep the records that ``arguments`` name, if any, then write every page anew."""
    if arguments[:1] == ["keep"]:
        keep(Path(arguments[1]), arguments[2])
    for name, text_of in PAGES.items():
        (DOCS / name).write_text(text_of(), encoding="utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main(sys.argv[1:])
