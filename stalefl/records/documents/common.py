"""What the types of several documents share."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field
from pydantic.config import with_config
from typing_extensions import TypedDict

SCHEMA: Literal[1] = 1
"""The number of the documents' form, in their key ``schema``."""

Document = TypeVar("Document", bound=type[Any])
Count = Annotated[int, Field(ge=0)]
RoundNumber = Annotated[int, Field(ge=1)]
SchemaNumber = Literal[1]


def document(kind: Document) -> Document:
    """A class decorator for the type of a JSON object: its attributes' docstrings describe the keys.

    Values must have the type itself: a string is no number. Keys that the type does not name are kept as they are.
    """
    return with_config(ConfigDict(extra="allow", strict=True, use_attribute_docstrings=True))(kind)


@document
class UpdateErrorRecord(TypedDict):
    """How far an update is from the true fresh one, which its client would have sent from the current model."""

    l1: float | None
    """L1 distance, relative to the L1 norm of the observed update: 0 for equal ones; null if not finite"""
    cosine: float | None
    """cosine distance, 1 - cosine similarity, from 0 to 2; null if not finite"""


@document
class AccuracyPair(TypedDict):
    """The two accuracies that are followed, as shares from 0 to 1."""

    accuracy: float | None
    """accuracy on the test split; null if not evaluated"""
    affected_class_accuracy: float | None
    """mean accuracy over the affected classes that have test samples; null if not evaluated, or if none has"""


@document
class TrainingSettings(TypedDict):
    """Local training, as the client has done it."""

    local_epochs: Count
    """passes over the client's samples"""
    batch_size: Count
    """samples in a batch; 0: all of them"""
    lr: float
    """learning rate"""
    momentum: float
    """share of the last step that is added to the next one, from 0 to 1"""
    weight_decay: float
    """factor of the L2 penalty"""
    nesterov: bool
    """whether momentum is Nesterov's"""
    optimizer: str
    """the optimizer's name"""
    proximal_mu: float
    """factor of FedProx's proximal term; 0: none"""
