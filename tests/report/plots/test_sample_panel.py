from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from stalefl.contracts import InputSpec
from stalefl.report.plots.sample_panel import are_images, curve_key, draw_sample, drawable

GREY = InputSpec((1, 2, 2), 3, ((-1.0,), (3.0,)))
COLOUR = InputSpec((3, 2, 2), 3, ((0.0, -1.0, 10.0), (1.0, 1.0, 20.0)))
SIGNAL = InputSpec((2, 5), 3, ((-1.0, -1.0), (1.0, 1.0)), space="signal")


def test_pixels_of_two_dimensions_are_images() -> None:
    assert are_images(GREY)
    assert are_images(COLOUR)
    assert not are_images(SIGNAL)
    assert not are_images(replace(GREY, shape=(4,)))
    assert not are_images(replace(GREY, space="embedding"))


def test_images_go_from_the_value_range_to_0_1() -> None:
    values = torch.tensor([-5.0, -1.0, 1.0, 3.0]).view(1, 1, 2, 2)
    assert drawable(values, GREY).flatten().tolist() == [0, 0, 0.5, 1]
    middle = torch.tensor([0.5, 0.0, 15.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert np.allclose(drawable(middle, COLOUR), 0.5)


def test_what_is_no_image_is_drawn_as_it_is() -> None:
    values = torch.tensor([[[-7.0, 7.0, 0.0, 0.0, 0.0]] * 2], requires_grad=True)
    assert drawable(values, SIGNAL).tolist() == values.tolist()


@pytest.mark.parametrize(("spec", "shape"), [(GREY, (2, 2)), (COLOUR, (2, 2, 3))])
def test_images_fill_their_axes(spec: InputSpec, shape: tuple[int, ...]) -> None:
    axes = Figure().subplots()
    draw_sample(axes, drawable(torch.zeros(1, *spec.shape), spec)[0], spec)
    (image,) = axes.get_images()
    assert np.asarray(image.get_array()).shape == shape


def test_a_signal_has_one_curve_per_row() -> None:
    axes = Figure().subplots()
    draw_sample(axes, np.arange(10.0).reshape(2, 5), SIGNAL)
    assert [list(np.asarray(line.get_ydata())) for line in axes.get_lines()] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert [line.get_color() for line in axes.get_lines()] == ["tab:blue", "tab:orange"]


def test_curves_are_told_apart_where_there_are_several() -> None:
    assert curve_key(replace(SIGNAL, channel_names=("x", "y"))) == "blue: x, orange: y"
    assert curve_key(SIGNAL) == ""
    assert curve_key(replace(SIGNAL, shape=(1, 5), channel_names=("x",))) == ""
    assert curve_key(replace(COLOUR, channel_names=("red", "green", "blue"))) == ""


def test_a_text_is_written_in_lines_as_it_stands() -> None:
    axes = Figure().subplots()
    draw_sample(axes, "what costs $5 and $6 " * 3, replace(SIGNAL, space="embedding"))
    (text,) = axes.texts
    assert text.get_text() == "what costs $5 and $6 what costs $5 and $6\nwhat costs $5 and $6"
    assert not text.get_parse_math(), "dollars are no formula"
