from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from stalefl.contracts import Dataset, InputError, InputSpec, Split
from stalefl.data.adapt import adapted, resized, with_channels
from tests.data.samples import tiny_dataset

GREY = InputSpec((1, 2, 2), 4, ((-1.0,), (3.0,)))


def images(*values: float, shape: tuple[int, int, int] = (1, 2, 2), classes: int = 4) -> Dataset:
    """One image of each value, in 0..1, all alike over their pixels; stored as they are."""
    raw = torch.tensor(values).view(-1, 1, 1, 1).expand(-1, *shape).contiguous()
    split = Split(raw, torch.arange(len(values)), lambda pixels: pixels)
    channels = shape[0]
    return Dataset("images", split, split, InputSpec(shape, classes, ((0.0,) * channels, (1.0,) * channels)))


def inputs_of(dataset: Dataset) -> Tensor:
    return dataset.train.take(range(len(dataset.train)))[0]


def test_values_are_brought_to_the_other_range() -> None:
    found = adapted(images(0.0, 0.25, 1.0), GREY, "grey")
    assert found.spec == GREY
    assert inputs_of(found)[:, 0, 0, 0].tolist() == [-1.0, 0.0, 3.0]
    assert found.test.targets.tolist() == [0, 1, 2]


def test_colours_become_their_luma_and_grey_three_channels() -> None:
    colours = torch.eye(3).view(3, 3, 1, 1)
    assert with_channels(colours, 1).flatten().tolist() == pytest.approx([0.299, 0.587, 0.114])
    assert with_channels(torch.full((1, 1, 2, 2), 0.5), 3).shape == (1, 3, 2, 2)
    assert inputs_of(adapted(images(0.5, shape=(3, 2, 2)), GREY, "grey")).unique().tolist() == pytest.approx([1.0])


def test_images_are_resized() -> None:
    board = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(4, 4).view(1, 1, 8, 8)
    assert torch.allclose(resized(board, (2, 2)), torch.full((1, 1, 2, 2), 0.5), atol=0.05)
    assert inputs_of(adapted(images(0.25, shape=(1, 5, 3)), GREY, "grey")).flatten().tolist() == pytest.approx(
        [0.0] * 4, abs=1e-6
    )


def test_other_inputs_are_taken_as_they_are_if_they_fit() -> None:
    signal = InputSpec((4,), 4, ((-1.0,), (1.0,)), "signal")
    split = Split(torch.ones(2, 4), torch.tensor([0, 1]), lambda raw: raw)
    dataset = Dataset("signal", split, split, signal)
    assert torch.equal(inputs_of(adapted(dataset, signal, "other")), torch.ones(2, 4))
    with pytest.raises(InputError, match="inputs of signal do not fit grey"):
        adapted(dataset, GREY, "grey")


def test_tokens_must_stand_for_the_same() -> None:
    spec = InputSpec((2,), 2, ((0.0,) * 2, (2.0,) * 2), "tokens", tokens=("<pad>", "who", "why"))
    split = Split(torch.tensor([[1, 2], [2, 0]]), torch.tensor([0, 1]), lambda raw: raw.float())
    dataset = Dataset("texts", split, split, spec)
    assert inputs_of(adapted(dataset, spec, "other")).tolist() == [[1, 2], [2, 0]]
    with pytest.raises(InputError, match="inputs of texts do not fit other"):
        adapted(dataset, replace(spec, tokens=("<pad>", "qui", "que")), "other")


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        (tiny_dataset(classes=3), "tiny has 3 classes, grey has 4"),
        (images(0.5, shape=(2, 2, 2)), "images has 2 channels, grey 1"),
    ],
)
def test_what_cannot_be_adapted_is_refused(dataset: Dataset, said: str) -> None:
    with pytest.raises(InputError, match=said):
        adapted(dataset, GREY, "grey")
