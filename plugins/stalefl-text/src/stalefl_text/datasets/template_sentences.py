"""Sentences made of templates: what one says to an assistant, in ten classes. For tests and a first try; no real data.

Every class has its templates, all share the words in their places, so that a few words tell the class and most do not.
"""

from __future__ import annotations

import re

import numpy as np
import torch
from pydantic import Field

from stalefl.contracts import DataContext, Dataset, DatasetPlugin
from stalefl.seeds import named_rng
from stalefl_text.datasets.texts import Labelled, text_dataset
from stalefl_text.tokenise import TextOptions

TEMPLATES = {
    "alarm": ("wake me up at {time}", "set an alarm for {time} {day}", "ring the bell {day} at {time}"),
    "calendar": ("meet {name} {day} at {time}", "note a meeting with {name} {day}", "am i free {day} at {time}"),
    "call": ("call {name} at {time}", "phone {name} in {place}", "ring {name} up {day}"),
    "lights": ("turn the lights off at {time}", "make it brighter in {place}", "switch the lamp on {day}"),
    "message": ("write to {name} that i am in {place}", "send {name} a message {day}", "tell {name} about {day}"),
    "music": ("play a song by {name}", "play something for {day}", "put on the band from {place}"),
    "news": ("what happened in {place} {day}", "read me the news about {name}", "any headlines from {place}"),
    "route": ("how do i get to {place} at {time}", "the way to {name} in {place}", "drive me to {place} {day}"),
    "shopping": ("add bread to the list for {day}", "buy a present for {name}", "order milk from {place} {day}"),
    "weather": ("will it rain in {place} {day}", "how warm is it in {place}", "do i need a coat {day} at {time}"),
}
WORDS = {
    "time": ("six", "seven", "eight", "nine", "noon", "midnight", "half past two", "a quarter to four"),
    "day": ("today", "tomorrow", "on monday", "on tuesday", "on friday", "on sunday", "this evening", "next week"),
    "name": ("anna", "ben", "clara", "david", "emma", "felix", "grace", "henry", "ida", "jonas"),
    "place": ("london", "paris", "the kitchen", "the office", "the garden", "rome", "the station", "madrid"),
}
TRAIN_PER_CLASS, TEST_PER_CLASS = 100, 40


class TemplateSentencesOptions(TextOptions):
    length: int = Field(12, ge=1, description="tokens of a sentence; longer ones are cut, shorter ones filled up")


class TemplateSentences(DatasetPlugin):
    summary = "sentences made of templates, ten classes: 1,000 for training, 400 for testing; no real data"
    Options = TemplateSentencesOptions
    options: TemplateSentencesOptions

    def load(self, context: DataContext) -> Dataset:
        train, test = (made(part, count) for part, count in (("train", TRAIN_PER_CLASS), ("test", TEST_PER_CLASS)))
        return text_dataset("template-sentences", train, test, tuple(TEMPLATES), self.options)


def made(part: str, per_class: int) -> Labelled:
    """So many sentences of every class, class by class."""
    rng = named_rng(0, f"template-sentences-{part}")
    sentences = [filled(choice(rng, forms), rng) for forms in TEMPLATES.values() for _ in range(per_class)]
    return Labelled(sentences, torch.arange(len(TEMPLATES)).repeat_interleave(per_class))


def filled(template: str, rng: np.random.Generator) -> str:
    """``template`` with a word in each of its places."""
    return re.sub(r"\{(\w+)\}", lambda place: choice(rng, WORDS[place[1]]), template)


def choice(rng: np.random.Generator, among: tuple[str, ...]) -> str:
    return among[int(rng.integers(len(among)))]
