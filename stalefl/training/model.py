"""A network as a pure function of a flat weight vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from stalefl.contracts import InputError, InputSpec, ModelPlugin
from stalefl.training.layout import ParameterLayout
from stalefl.training.token_layer import table_name


@dataclass(frozen=True)
class FlatModel:
    """``module`` gives only the computation: its own parameter values are never used or changed."""

    module: nn.Module
    layout: ParameterLayout
    device: torch.device

    def parameters(self, weights: Tensor) -> list[Tensor]:
        """The parameters in ``weights`` [P]; convolution kernels in channels_last, which trains faster on the CPU."""
        return [_channels_last(p) for p in self.layout.split(weights)]

    def inputs(self, inputs: Tensor) -> Tensor:
        """``inputs`` [N, ...] on the model's device and in its memory layout."""
        return _channels_last(inputs.to(self.device))

    def logits(
        self, parameters: Sequence[Tensor], buffers: Mapping[str, Tensor], inputs: Tensor, train: bool
    ) -> Tensor:
        """Logits [N, K]. In training mode batch-norm layers change ``buffers`` in place: pass a copy."""
        if self.module.training != train:
            self.module.train(train)
        state = dict(zip(self.layout.names, parameters, strict=True))
        return functional_call(self.module, {**state, **buffers}, (inputs,))

    @torch.no_grad()
    def forward(self, weights: Tensor, buffers: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Logits [N, K] in evaluation mode, without a graph."""
        return self.logits(self.parameters(weights), buffers, self.inputs(inputs), train=False)


def build_flat_model(
    plugin: ModelPlugin, spec: InputSpec, generator: torch.Generator, device: torch.device | str = "cpu"
) -> tuple[FlatModel, Tensor, dict[str, Tensor]]:
    """The model of a plugin, its initial weights [P] and its initial buffers.

    Modules draw their initial values from torch's default CPU generator, so that generator is put into
    ``generator``'s state for the while and then back: the global state neither matters nor changes. Raises InputError
    for a model of token inputs that has no embedding.
    """
    with torch.random.fork_rng(devices=[]):
        torch.random.set_rng_state(generator.get_state())
        module = plugin.build(spec)
    if spec.space == "tokens" and not table_name(module):
        raise InputError(
            "the data set's inputs are tokens, which this model cannot embed; valid: a model of texts, as textcnn of "
            "stalefl-text"
        )
    device = torch.device(device)
    layout = ParameterLayout.of(module)
    weights = layout.join([p.detach() for p in module.parameters()]).to(device)
    buffers = {name: b.detach().clone().to(device) for name, b in module.named_buffers()}
    return FlatModel(module.to(device), layout, device), weights, buffers


def _channels_last(tensor: Tensor) -> Tensor:
    # Not .contiguous(): it leaves one-channel images as they are, and the network then runs in the slow layout.
    return tensor.to(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
