from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import nn

from stalefl.builtins.models.resnet import ResNet18, ResNet18Options
from stalefl.contracts import InputError, InputSpec


def build(channels: int = 3, side: int = 32, classes: int = 10, **options: Any) -> nn.Module:
    plugin = ResNet18(ResNet18Options(**options))
    return plugin.build(InputSpec((channels, side, side), classes, ((0.0,), (1.0,))))


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_cifar_stem_is_the_usual_one() -> None:
    module = build()
    assert parameters(module) == 11_173_962
    assert module.conv1.stride == (1, 1)
    assert module(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_imagenet_stem_is_torchvisions() -> None:
    module = build(side=64, classes=1000, stem="imagenet")
    assert parameters(module) == 11_689_512
    assert module(torch.zeros(2, 3, 64, 64)).shape == (2, 1000)


def test_one_channel() -> None:
    for stem in ("cifar", "imagenet"):
        assert build(channels=1, stem=stem)(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


def test_group_norm_leaves_no_batch_statistics() -> None:
    module = build(norm="group", groups=4)
    assert not list(module.buffers())
    assert {m.num_groups for m in module.modules() if isinstance(m, nn.GroupNorm)} == {4}


def test_groups_that_do_not_divide_the_channels_are_errors() -> None:
    with pytest.raises(ValidationError, match="groups"):
        ResNet18Options(groups=3)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, torch.Tensor]]:
    state = build(classes=10).state_dict()
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file({name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}, path)
    return path, state


def test_weights_come_from_the_file(stored: tuple[Path, dict[str, torch.Tensor]]) -> None:
    path, state = stored
    loaded = build(classes=10, weights=str(path)).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


def test_a_classifier_for_other_classes_is_left_out(stored: tuple[Path, dict[str, torch.Tensor]]) -> None:
    path, state = stored
    loaded = build(classes=3, weights=str(path)).state_dict()
    assert loaded["fc.weight"].shape == (3, 512)
    assert torch.equal(loaded["layer4.1.conv2.weight"], state["layer4.1.conv2.weight"])


def test_weights_of_another_stem_or_norm_are_refused(stored: tuple[Path, dict[str, torch.Tensor]]) -> None:
    path, _ = stored
    with pytest.raises(InputError, match=r"conv1\.weight has shape \(64, 3, 3, 3\), not \(64, 3, 7, 7\)"):
        build(stem="imagenet", weights=str(path))
    with pytest.raises(InputError, match=r"running_mean is unknown"):
        build(norm="group", weights=str(path))


def test_unreadable_weights_are_refused(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"no weights")
    partial = tmp_path / "partial.safetensors"
    save_file({"conv1.weight": torch.zeros(64, 3, 3, 3)}, partial)
    reasons = {tmp_path / "none": "does not exist", damaged: "safetensors", partial: "is missing.*more"}
    for path, reason in reasons.items():
        with pytest.raises(InputError, match=reason):
            build(weights=str(path))
