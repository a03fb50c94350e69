"""The names that this package offers."""

from __future__ import annotations

from stalefl.contracts import Entry
from stalefl.hookspecs import hookimpl


@hookimpl
def stalefl_datasets() -> list[Entry]:
    home = "stalefl_text.datasets"
    return [
        Entry("template-sentences", f"{home}.template_sentences:TemplateSentences"),
        Entry("trec", f"{home}.trec:Trec"),
        Entry("hf-text", f"{home}.huggingface:HuggingFaceText"),
    ]


@hookimpl
def stalefl_models() -> list[Entry]:
    home = "stalefl_text.models"
    return [
        Entry("textcnn", f"{home}.textcnn:TextCnn"),
        Entry("bilstm", f"{home}.bilstm:BiLstm"),
        Entry("text-transformer", f"{home}.transformer:TextTransformer"),
    ]
