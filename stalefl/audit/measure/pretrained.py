"""The published networks behind LPIPS and FID, from a safetensors file or from torch hub's cache.

torchvision, torchmetrics 1.9 and torch-fidelity 0.4 would read what they fetch with ``torch.load(weights_only=False)``,
which runs whatever a pickle says. So the weights are read here, and the networks only take them:

- a file of the user's is safetensors, which holds nothing but tensors;
- a file in torch hub's cache is a pickle, read with ``weights_only=True``: tensors and plain containers, nothing that
  runs; a download is compared with the hash in its name before that;
- torch-fidelity takes a file only, so its network is given one that we write from the tensors, for the moment;
- LPIPS's own linear weights are part of torchmetrics, which reads them itself: ``torch.load`` of a file of the package,
  ``weights_only`` from PyTorch 2.6 on.

Networks draw initial values when they are made, before they are given others: the global random state is put back.

See docs/decisions/0010-what-the-audit-measures-with.md.
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stalefl.contracts import InputError
from stalefl.storage import load_weights

ALEXNET_URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
INCEPTION_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)
_SLICES = (range(2), range(2, 5), range(5, 8), range(8, 10), range(10, 12))
"""Which of AlexNet's layers torchmetrics has in its slice1, slice2, ..."""


def alexnet_lpips(weights: Path | None, download: bool) -> nn.Module | None:
    """torchmetrics' LPIPS network on AlexNet: (a, b) -> [n, 1, 1, 1], images [n, 3, H, W]. None without weights.

    Raises InputError if the file does not fit or cannot be fetched.
    """
    state = _state(weights, ALEXNET_URL, download)
    if state is None:
        return None
    # The public metric would fetch the weights itself; this is the module it wraps.
    from torchmetrics.functional.image.lpips import _NoTrainLpips

    with torch.random.fork_rng(devices=[]):
        network = _NoTrainLpips(net="alex", pnet_rand=True)
    own = network.net.state_dict()
    features = {
        f"slice{place}.{layer}.{kind}": state.get(f"features.{layer}.{kind}")
        for place, layers in enumerate(_SLICES, start=1)
        for layer in layers
        for kind in ("weight", "bias")
        if f"slice{place}.{layer}.{kind}" in own
    }
    found = {name: value for name, value in features.items() if value is not None}
    _put(network.net, found, weights, "AlexNet")
    return network


def inception_v3(weights: Path | None, download: bool) -> nn.Module | None:
    """torch-fidelity's InceptionV3 in torchmetrics' wrapper: uint8 [n, 3, H, W] -> [n, 2048]. None without weights or,
    if none are given, without torch-fidelity.

    Raises InputError if the file given does not fit or torch-fidelity is not installed.
    """
    if not _has_torch_fidelity():
        if weights:
            load_weights(weights)  # A file that is missing or damaged is the nearer trouble.
            raise InputError(
                f"inception weights {weights} need torch-fidelity; valid: pip install 'stalefl[inception]'"
            )
        return None
    state = _state(weights, INCEPTION_URL, download)
    if state is None:
        return None
    from torchmetrics.image.fid import NoTrainInceptionV3

    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
        own = Path(folder) / "inception.pth"
        torch.save(dict(state), own)
        try:
            return NoTrainInceptionV3("inception-v3-compat", ["2048"], str(own))
        except RuntimeError as error:
            raise _misfit(weights, "torch-fidelity's InceptionV3", error) from error


def _has_torch_fidelity() -> bool:
    from importlib.util import find_spec

    return find_spec("torch_fidelity") is not None


def _state(file: Path | None, url: str, download: bool) -> Mapping[str, Tensor] | None:
    """The named tensors of the file given, else of the one in the cache or behind ``url``; None if there is none."""
    if file:
        return load_weights(file)
    name = url.rpartition("/")[2]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not cached.is_file() and not download:
        return None
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return _from_hub(url)
    except Exception as error:
        line = re.sub(r"\s+", " ", str(error))[:200]
        raise InputError(
            f"cannot read or fetch {name} in {cached.parent}: {line}; valid: the published file"
        ) from error


def _from_hub(url: str) -> Any:
    return torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True, weights_only=True)


def _put(module: nn.Module, state: Mapping[str, Tensor], file: Path | None, name: str) -> None:
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise _misfit(file, name, error) from error


def _misfit(file: Path | None, name: str, error: Exception) -> InputError:
    line = re.sub(r"\s+", " ", str(error))[:200]
    where = f"weights file {file}" if file else "the file in torch hub's cache"
    return InputError(f"{where} does not fit {name} ({line}); valid: its state dict as safetensors")
