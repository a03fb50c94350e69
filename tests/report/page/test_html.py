from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import pytest

from stalefl.contracts import InputError
from stalefl.report.page.html import write_page
from stalefl.report.page.image_sources import image_source

ROW = {
    "attack": "dlg",
    "defence": "none",
    "reference": False,
    "metrics": ["31.3"],
    "inputs": "readable",
    "style": "readable",
    "labels": "",
    "label_style": "",
    "reason": "why",
}


def content(**changed: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "title": "a title",
        "subtitle": "who",
        "verdict": ["none: samples readable"],
        "violations": [],
        "unanswered": [],
        "headings": ["PSNR median"],
        "rows": [ROW],
        "footnote": "",
        "pictures": [],
        "metrics": [],
        "thresholds": [],
        "settings": [("seed", "0")],
    }
    return {**known, **changed}


def written(path: Path, **changed: Any) -> str:
    write_page(path / "page.html", "audit.html", content(**changed))
    return (path / "page.html").read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Every tag opened and closed, in order, and all that they refer to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_page_needs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"not really a picture")
    pictures = [{"source": image_source(tmp_path / "a.png"), "caption": "what is seen"}]
    text = written(tmp_path, pictures=pictures)
    (reference,) = Tags(text).references
    assert base64.b64decode(reference.removeprefix("data:image/png;base64,")) == b"not really a picture"
    assert not re.search(r"https?:|//\w|@import|url\(|<script|<link", text)


def test_all_text_is_escaped(tmp_path: Path) -> None:
    evil, safe = "<script>\"&'", "&lt;script&gt;&#34;&amp;&#39;"
    texts = dict.fromkeys(("title", "subtitle", "footnote"), evil)
    lists = {name: [evil] for name in ("verdict", "violations", "unanswered", "headings", "thresholds")}
    row = dict.fromkeys(("attack", "defence", "inputs", "style", "labels", "label_style", "reason"), evil)
    rows = [{**ROW, **row, "metrics": [evil]}]
    metrics = [{"title": evil, "unit": evil, "meaning": evil}]
    pictures = [{"source": evil, "caption": evil}]
    text = written(tmp_path, **texts, **lists, rows=rows, metrics=metrics, pictures=pictures, settings=[(evil, evil)])
    assert evil not in text
    assert "<script" not in text
    assert text.count(safe) >= len(texts) + len(lists) + len(row) + 1 + 3 + 2 + 2
    Tags(text)


def test_what_was_found_stands_where_it_belongs(tmp_path: Path) -> None:
    text = written(tmp_path, violations=["dlg under none: psnr is 31"], unanswered=["ssim>0.5"])
    assert "<title>a title</title>" in text
    assert "<h1>a title</h1>" in text
    assert '<td class="text">dlg</td><td class="text">none</td>' in text
    assert '<p class="readable">Condition met: dlg under none: psnr is 31</p>' in text
    assert "Condition not answered: no cell has a value for ssim&gt;0.5" in text
    assert '<tr class="reference">' in written(tmp_path, rows=[{**ROW, "reference": True}])


def test_what_a_template_needs_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(jinja2.UndefinedError, match="title"):
        write_page(tmp_path / "page.html", "audit.html", {})
    assert not (tmp_path / "page.html").exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        write_page(tmp_path / "no" / "page.html", "audit.html", content())
