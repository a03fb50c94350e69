"""ResNet-18, torchvision's.

Paper: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
Deviations: the default stem is the one usual for CIFAR-sized images (3x3, stride 1, no max-pooling; 11,173,962
parameters with 10 classes) instead of ImageNet's; group normalisation (Wu, He, "Group Normalization", ECCV 2018) is an
option, as batch statistics suffer when clients hold different classes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torchvision.models import ResNet, resnet18

from stalefl.builtins.models.shape import image_shape
from stalefl.contracts import InputError, InputSpec, ModelPlugin, Options
from stalefl.storage import load_weights


class ResNet18Options(Options):
    stem: Literal["cifar", "imagenet"] = Field(
        "cifar", description="cifar: 3x3, stride 1, no max-pooling; imagenet: 7x7, stride 2, max-pooling"
    )
    norm: Literal["batch", "group"] = Field("batch", description="batch or group normalisation")
    groups: Literal[1, 2, 4, 8, 16, 32, 64] = Field(32, description="groups of the group normalisation")
    weights: str = Field(
        "", description="safetensors file of initial weights, torchvision's names; '' draws them at random"
    )


class ResNet18(ModelPlugin):
    summary = "18-layer residual network, stem for CIFAR or ImageNet, batch or group normalisation"
    paper = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016"
    Options = ResNet18Options
    options: ResNet18Options

    def build(self, spec: InputSpec) -> nn.Module:
        channels, _, _ = image_shape(spec, "resnet18", least_side=8)
        module = resnet18(weights=None, num_classes=spec.classes, norm_layer=self._norm_layer())
        _set_stem(module, channels, self.options.stem)
        if self.options.weights:
            set_weights(module, Path(self.options.weights), classifier="fc")
        return module

    def _norm_layer(self) -> Callable[[int], nn.Module]:
        if self.options.norm == "batch":
            return nn.BatchNorm2d
        return lambda channels: nn.GroupNorm(self.options.groups, channels)


def _set_stem(module: ResNet, channels: int, stem: str) -> None:
    if stem == "imagenet":
        if channels != 3:
            module.conv1 = _first_convolution(channels, 7, stride=2)
        return
    module.conv1 = _first_convolution(channels, 3, stride=1)
    module.maxpool = nn.Identity()


def _first_convolution(channels: int, kernel: int, stride: int) -> nn.Conv2d:
    """As torchvision makes it, initial values included, but for other inputs."""
    convolution = nn.Conv2d(channels, 64, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution


def set_weights(module: nn.Module, file: Path, classifier: str) -> None:
    """Put a file's weights into ``module``; the layer ``classifier`` keeps its own if its shape differs.

    Raises InputError if the file cannot be read or does not fit. A file may lack the counters of batch-norm layers.
    """
    stored = load_weights(file)
    own = module.state_dict()
    head = [name for name in own if name.startswith(f"{classifier}.")]
    if any(name in stored and stored[name].shape != own[name].shape for name in head):
        stored.update({name: own[name] for name in head})
    counters = {name: value for name, value in own.items() if name.endswith("num_batches_tracked")}
    stored = {**counters, **stored}
    if misfits := _misfits(own, stored):
        raise InputError(
            f"weights file {file} does not fit the model: {'; '.join(misfits[:3])}"
            f"{f' and {len(misfits) - 3} more' if len(misfits) > 3 else ''}; check the options stem and norm"
        )
    module.load_state_dict(stored)


def _misfits(own: dict[str, Tensor], stored: dict[str, Tensor]) -> list[str]:
    missing = [f"{name} is missing" for name in own if name not in stored]
    unknown = [f"{name} is unknown" for name in stored if name not in own]
    reshaped = [
        f"{name} has shape {tuple(value.shape)}, not {tuple(own[name].shape)}"
        for name, value in stored.items()
        if name in own and value.shape != own[name].shape
    ]
    return reshaped + missing + unknown
