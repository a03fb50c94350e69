"""Two small convolutional networks: one for the embedded 8x8 digits, one of the usual size for CIFAR-10.

Paper: cnn-cifar is the two-convolution CNN of McMahan et al., "Communication-Efficient Learning of Deep Networks from
Decentralized Data", AISTATS 2017 (there for MNIST, with 1,663,370 parameters). cnn-digits is the same plan, small.
Deviations: cnn-cifar takes the data set's channels and size, 3x32x32 for CIFAR-10 (2,156,490 parameters); that paper's
own CIFAR network (normalising, 384 and 192 hidden units) is another one.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from stalefl.builtins.models.shape import image_shape
from stalefl.contracts import InputSpec, ModelPlugin


class CnnDigits(ModelPlugin):
    summary = "two 3x3 convolutions (16 and 32 channels), 64 hidden units; made for 8x8 images"

    def build(self, spec: InputSpec) -> nn.Module:
        shape = image_shape(spec, "cnn-digits", least_side=4)
        return TwoLayerCnn(shape, spec.classes, kernel=3, channels=(16, 32), hidden=64)


class CnnCifar(ModelPlugin):
    summary = "two 5x5 convolutions (32 and 64 channels), 512 hidden units"
    paper = "McMahan et al., Communication-Efficient Learning of Deep Networks from Decentralized Data, AISTATS 2017"

    def build(self, spec: InputSpec) -> nn.Module:
        shape = image_shape(spec, "cnn-cifar", least_side=4)
        return TwoLayerCnn(shape, spec.classes, kernel=5, channels=(32, 64), hidden=512)


class TwoLayerCnn(nn.Module):
    """Logits [N, classes] of images [N, *shape]: two padded convolutions, each halved by pooling, two linear layers."""

    def __init__(
        self, shape: tuple[int, int, int], classes: int, kernel: int, channels: tuple[int, int], hidden: int
    ) -> None:
        super().__init__()
        inputs, height, width = shape
        first, second = channels
        self.conv1 = nn.Conv2d(inputs, first, kernel, padding=kernel // 2)
        self.conv2 = nn.Conv2d(first, second, kernel, padding=kernel // 2)
        self.fc1 = nn.Linear(second * (height // 4) * (width // 4), hidden)
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = relu(max_pool2d(self.conv1(images), 2))
        x = relu(max_pool2d(self.conv2(x), 2))
        return self.fc2(relu(self.fc1(x.flatten(1))))
