"""Perceptual distances: LPIPS and FID on the networks they are named after where their weights are at hand, else on
the features of the audit's own classifier. Values of the two kinds do not compare; each says its network.

Papers: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018 (LPIPS);
Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NIPS 2017 (FID).
Deviations: on the classifier's features LPIPS has no learned weights, and is the mean over the layers; AlexNet is given
images of less than 32 pixels enlarged to 32, as its layers fit nothing smaller, and grey ones as three equal channels.

Of few images the covariances in FID are singular. The distance is finite all the same, and about 0 for equal sets, but
it falls as images are added: compare at equal numbers only.

How weights are read, without unpickling anything a stranger wrote: ``pretrained.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from stalefl.audit.measure.classifier import Classifier
from stalefl.audit.measure.one_client import Instrument
from stalefl.audit.measure.pretrained import alexnet_lpips, inception_v3
from stalefl.contracts import InputSpec
from stalefl.training.value_range import to_unit

ALEXNET_SIDE = 32
IMAGES_AT_ONCE = 50
CLASSIFIER = "classifier features"


def perceptual_distance(
    spec: InputSpec, classifier: Classifier | None = None, weights: Path | None = None, download: bool = False
) -> Instrument | None:
    """LPIPS, per pair. ``weights``: a safetensors file of AlexNet's state dict; without it the file in torch hub's
    cache, fetched only if ``download``; else the classifier's features. None for what is no image, or without any.

    Raises InputError if the file given does not fit.
    """
    if not is_image(spec):
        return None
    if spec.shape[0] in (1, 3) and (network := alexnet_lpips(weights, download)):
        return Instrument("lpips: AlexNet", partial(_batched, partial(_by_alexnet, network, spec)))
    if classifier is None:
        return None
    return Instrument(f"lpips: {CLASSIFIER}", partial(_batched, partial(_by_features, classifier)))


def frechet_distance(
    spec: InputSpec, classifier: Classifier | None = None, weights: Path | None = None, download: bool = False
) -> Instrument | None:
    """FID, one value for two sets of images. ``weights``: a safetensors file of torch-fidelity's InceptionV3; the rest
    as for ``perceptual_distance``."""
    if not is_image(spec):
        return None
    if spec.shape[0] in (1, 3) and (network := inception_v3(weights, download)):
        return Instrument("fid: InceptionV3", partial(_frechet, partial(_inception_features, network, spec)))
    if classifier is None:
        return None
    return Instrument(f"fid: {CLASSIFIER}", partial(_frechet, classifier.penultimate))


def feature_distance(first: list[Tensor], second: list[Tensor]) -> Tensor:
    """[n]: squared differences of features [n, C, h, w] that are scaled to length 1 over the channels, summed over the
    channels, averaged over places and over layers (eq. 1 of Zhang et al. with all weights 1 and a mean)."""
    distances = [
        (_normal(a) - _normal(b)).square().sum(dim=1).mean(dim=(1, 2)) for a, b in zip(first, second, strict=True)
    ]
    return torch.stack(distances).mean(dim=0)


def _normal(features: Tensor) -> Tensor:
    return features / (features.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()


def is_image(spec: InputSpec) -> bool:
    """Whether inputs [C, H, W] are pixels."""
    return spec.space == "pixels" and len(spec.shape) == 3


def rgb(inputs: Tensor, spec: InputSpec) -> Tensor:
    """Model inputs as images [n, 3, H, W] in 0..1."""
    return to_unit(inputs, spec).expand(-1, 3, -1, -1)


def _by_features(classifier: Classifier, first: Tensor, second: Tensor) -> Tensor:
    return feature_distance(classifier.features(first), classifier.features(second))


def _by_alexnet(network: nn.Module, spec: InputSpec, first: Tensor, second: Tensor) -> Tensor:
    return network(_for_alexnet(rgb(first, spec)), _for_alexnet(rgb(second, spec)), normalize=True).flatten()


def _for_alexnet(images: Tensor) -> Tensor:
    height, width = images.shape[2:]
    if min(height, width) >= ALEXNET_SIDE:
        return images
    size = (max(height, ALEXNET_SIDE), max(width, ALEXNET_SIDE))
    return interpolate(images, size, mode="bilinear", align_corners=False)


def _inception_features(network: nn.Module, spec: InputSpec, inputs: Tensor) -> Tensor:
    return network((255 * rgb(inputs, spec)).round().byte())


@torch.no_grad()
def _batched(distance: Callable[[Tensor, Tensor], Tensor], first: Tensor, second: Tensor) -> Tensor:
    return torch.cat(
        [distance(a, b) for a, b in zip(first.split(IMAGES_AT_ONCE), second.split(IMAGES_AT_ONCE), strict=True)]
    )


@torch.no_grad()
def _frechet(features: Callable[[Tensor], Tensor], recovered: Tensor, true: Tensor) -> Tensor:
    """By torchmetrics, of features in float64. Rounding can make the least distances negative: they are 0."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    found = [
        torch.cat([features(part) for part in images.split(IMAGES_AT_ONCE)]).double() for images in (recovered, true)
    ]
    distance = FrechetInceptionDistance(feature=_Given(found[0].shape[1]))
    distance.update(found[1], real=True)
    distance.update(found[0], real=False)
    return distance.compute().clamp(min=0)


class _Given(nn.Module):
    """In torchmetrics' eyes a network: its features are those it is given."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.num_features = count

    def forward(self, features: Tensor) -> Tensor:
        return features
