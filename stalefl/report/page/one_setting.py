"""One setting on the page: its conclusions, pictures, late updates, shadows and rejections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stalefl.records.metrics import delays_in_words
from stalefl.records.run_groups import Group
from stalefl.report.conclusions.one_setting import setting_in_words
from stalefl.report.conclusions.winners import Contest
from stalefl.report.page.pictures import setting_pictures
from stalefl.report.page.rejections import rejections_in_words
from stalefl.report.tables.late_updates import (
    ERROR_NOTE,
    LATE_NOTE,
    late_table,
    nearest_in_words,
    shadows_in_words,
    shadows_table,
    windows_tables,
)


def setting_section(contest: Contest, several: bool) -> dict[str, Any]:
    """All that is known of one setting. With ``several`` settings each has conclusions of its own."""
    group = contest.group
    records = {method: [run.records for run in seeds] for method, seeds in group.methods.items()}
    late_headers, late_rows = late_table(records)
    shadow_headers, shadow_rows = shadows_table(records)
    return {
        "label": group.label or "All methods",
        "sentences": list(setting_in_words(contest)) if several else [],
        "pictures": list(setting_pictures(group)),
        "delays": _delays(group),
        "late": {"headers": late_headers, "rows": late_rows},
        "late_notes": [LATE_NOTE, *([ERROR_NOTE] if any("error" in header for header in late_headers) else [])],
        "shadows": {"headers": shadow_headers, "rows": shadow_rows, "notes": list(_shadows(group))},
        "nearest": list(nearest_in_words(records)),
        "windows": windows_tables(records),
        "rejections": list(rejections_in_words(records)),
    }


def _shadows(group: Group) -> Iterator[str]:
    """What is behind each label, of every run once."""
    every = (line for run in group.runs for line in shadows_in_words(run.experiment.evaluation.shadows))
    yield from dict.fromkeys(every)


def _delays(group: Group) -> str:
    return next(filter(None, (delays_in_words(run.records) for run in group.runs)), "no late update arrived")
