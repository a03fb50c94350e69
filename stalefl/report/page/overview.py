"""The page of runs, comparisons or sweeps, composed of its sections."""

from __future__ import annotations

from pathlib import Path

from stalefl.records.run_groups import RunGroups
from stalefl.report.conclusions.overall import conclusions
from stalefl.report.conclusions.winners import contests
from stalefl.report.page.heading import heading_section
from stalefl.report.page.html import write_page
from stalefl.report.page.one_setting import setting_section
from stalefl.report.page.pictures import inversion_pictures, partition_pictures
from stalefl.report.page.results import results_section
from stalefl.report.page.run_settings import settings_section

MOST_OPEN_SETTINGS = 4


def write_overview(runs: RunGroups, path: Path) -> None:
    """Write the page of ``runs``, which needs no other file and no network. Raises InputError if it cannot be
    written."""
    compared = contests(runs)
    content = {
        **heading_section(runs),
        "conclusions": conclusions(compared),
        "results": results_section(runs, compared),
        "rejected": any(record["rejected_updates"] for run in runs.runs for record in run.records),
        "open": len(runs.groups) <= MOST_OPEN_SETTINGS,
        "settings": [setting_section(contest, several=len(runs.groups) > 1) for contest in compared],
        "inversions": list(inversion_pictures(runs.inversions)),
        "partitions": list(partition_pictures(runs)),
        **settings_section(runs),
        "folders": [str(run.folder.path) for run in runs.runs],
    }
    write_page(path, "report.html", content)
