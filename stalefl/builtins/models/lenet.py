"""The small LeNet of the published experiments.

Paper: Wang, Gao, "Tackling Intertwined Data and Device Heterogeneities in Federated Learning with Unlimited
Staleness", AAAI 2025; the network is that of its code (21,840 parameters on 1x28x28 inputs with 10 classes), after
LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE 1998.
Deviations: the first linear layer fits any input of at least 16x16 pixels; dropout is an option, off by default so
that a stale update and its reconstruction see the same network, and drops single values.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from stalefl.builtins.models.shape import image_shape
from stalefl.contracts import InputSpec, ModelPlugin, Options
from stalefl.training.dropout import SeededDropout


class LeNetOptions(Options):
    dropout: float = Field(
        0.0, ge=0, lt=1, description="probability of dropping a value after conv 2 and after fc 1; 0 = no dropout"
    )


class LeNet(ModelPlugin):
    summary = "two 5x5 convolutions (10 and 20 channels), two linear layers (50 hidden units)"
    paper = "LeCun et al., Gradient-based learning applied to document recognition, 1998; as in Wang, Gao, AAAI 2025"
    Options = LeNetOptions
    options: LeNetOptions

    def build(self, spec: InputSpec) -> nn.Module:
        channels, height, width = image_shape(spec, "lenet", least_side=16)
        features = 20 * _side_after(height) * _side_after(width)
        return LeNetModule(channels, features, spec.classes, self.options.dropout)


class LeNetModule(nn.Module):
    """Logits [N, classes] of images [N, channels, height, width]."""

    def __init__(self, channels: int, features: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 10, 5)
        self.conv2 = nn.Conv2d(10, 20, 5)
        self.fc1 = nn.Linear(features, 50)
        self.fc2 = nn.Linear(50, classes)
        self.dropout = SeededDropout(dropout)

    def forward(self, images: Tensor) -> Tensor:
        x = relu(max_pool2d(self.conv1(images), 2))
        x = relu(max_pool2d(self.dropout(self.conv2(x)), 2))
        return self.fc2(self.dropout(relu(self.fc1(x.flatten(1)))))


def _side_after(side: int) -> int:
    """The image's side after two unpadded 5x5 convolutions, each halved by pooling."""
    return ((side - 4) // 2 - 4) // 2
