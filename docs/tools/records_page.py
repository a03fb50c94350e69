"""docs/records.md: every document that stalefl writes, field by field."""

from __future__ import annotations

from docs.tools.markdown_page import page, table
from stalefl.records.describe import document_sections

INTRO = """What stalefl leaves on disk as JSON, file by file. [run-folder.md](run-folder.md) says what the files of a
run are for. A reader refuses a document whose fields are not of these types, and names the place. It keeps fields that
this page does not have. NaN and infinite values are written as null."""


def records_page() -> str:
    return page("Records", INTRO, *document_sections(table))
