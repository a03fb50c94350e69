from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from stalefl.audit.measure import pretrained
from stalefl.audit.measure.perceptual import feature_distance, frechet_distance, perceptual_distance
from stalefl.contracts import InputError, InputSpec
from tests.audit.measure.pictures import SPEC, images, untrained

PHOTOS = InputSpec(shape=(3, 20, 24), classes=2, value_range=((-1.0,) * 3, (1.0,) * 3))
SIGNAL = InputSpec(shape=(4,), classes=2, value_range=((0.0,) * 4, (1.0,) * 4), space="signal")


@pytest.fixture(autouse=True)
def empty_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch hub's cache, empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    checkpoints = tmp_path / "hub" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    return checkpoints


@pytest.fixture(scope="module")
def alexnet() -> dict[str, torch.Tensor]:
    from torchvision.models import alexnet

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return alexnet(weights=None).features.state_dict()


def test_feature_distance_by_hand() -> None:
    # Directions (1, 0) and (0.6, 0.8): 0.16 + 0.64 = 0.8; the second place is equal, the second layer too.
    first = [torch.tensor([[[[2.0, 1.0]], [[0.0, 1.0]]]]), torch.ones(1, 1, 1, 1)]
    second = [torch.tensor([[[[3.0, 5.0]], [[4.0, 5.0]]]]), torch.ones(1, 1, 1, 1)]
    assert feature_distance(first, second).tolist() == pytest.approx([0.2], abs=1e-6)


def test_the_classifiers_features_stand_in() -> None:
    found = perceptual_distance(SPEC, untrained())
    assert found is not None
    assert found.source == "lpips: classifier features"
    # More than a batch, and each pair by itself.
    a, b = images(60), images(60, seed=1)
    distances = found.measure(a, b)
    assert distances.shape == (60,)
    assert distances[57:].tolist() == pytest.approx(found.measure(a[57:], b[57:]).tolist(), rel=1e-5)
    assert float(found.measure(a, a).max()) == 0.0
    near, far = found.measure(a, a + 0.05 * b).mean(), distances.mean()
    assert 0 < float(near) < float(far)


def test_frechet_distance_of_few_images_is_finite_and_nothing_to_themselves() -> None:
    found = frechet_distance(SPEC, untrained())
    assert found is not None
    assert found.source == "fid: classifier features"
    few = images(3)
    scale = float(found.measure(few, images(3, seed=1)))
    assert 0 < scale < float("inf")
    assert float(found.measure(few, few.flip(0))) == pytest.approx(0.0, abs=1e-4 * scale)
    assert float(found.measure(few[:2], torch.zeros(2, 1, 8, 8))) < float("inf")


def test_the_frechet_distance_of_shifted_features_is_the_shift() -> None:
    from stalefl.audit.measure.perceptual import _frechet

    features = torch.randn(50, 4)
    shift = torch.tensor([1.0, 0.0, 2.0, 0.0])
    assert float(_frechet(lambda x: x, features, features + shift)) == pytest.approx(5.0, rel=1e-4)


@pytest.mark.parametrize("make", [perceptual_distance, frechet_distance])
def test_there_is_none_without_network_or_images(make) -> None:
    assert make(SPEC) is None
    assert make(SIGNAL, untrained()) is None


def test_alexnet_is_read_from_a_safetensors_file(tmp_path: Path, alexnet) -> None:
    file = tmp_path / "alexnet.safetensors"
    save_file({f"features.{name}": value for name, value in alexnet.items()}, file)
    found = perceptual_distance(PHOTOS, untrained(), weights=file)
    assert found is not None
    assert found.source == "lpips: AlexNet"
    a, b = images(2, PHOTOS), images(2, PHOTOS, seed=1)
    assert found.measure(a, a).tolist() == [0.0, 0.0]
    assert float(found.measure(a, b).min()) > 0
    grey = perceptual_distance(SPEC, weights=file)
    assert grey is not None
    assert grey.measure(images(2), images(2, seed=1)).shape == (2,)


def test_alexnets_weights_are_in_their_places(tmp_path: Path, alexnet) -> None:
    file = tmp_path / "alexnet.safetensors"
    save_file({f"features.{name}": value for name, value in alexnet.items()}, file)
    network = pretrained.alexnet_lpips(file, download=False)
    assert network is not None
    assert torch.equal(network.net.slice5.get_parameter("10.weight"), alexnet["10.weight"])


def test_weights_in_the_hubs_cache_are_found_and_no_pickle_is_run(empty_hub: Path, alexnet) -> None:
    name = pretrained.ALEXNET_URL.rpartition("/")[2]
    torch.save({f"features.{name}": value for name, value in alexnet.items()}, empty_hub / name)
    found = perceptual_distance(PHOTOS)
    assert found is not None
    assert found.source == "lpips: AlexNet"
    torch.save({"features.0.weight": Path("harmless, but no tensor")}, empty_hub / name)
    with pytest.raises(InputError, match="cannot read or fetch alexnet-owt-7be5be79.pth"):
        perceptual_distance(PHOTOS)


def test_weights_that_do_not_fit_are_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    save_file({"features.0.weight": torch.zeros(3)}, file)
    with pytest.raises(InputError, match="does not fit AlexNet") as error:
        perceptual_distance(PHOTOS, weights=file)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="does not exist"):
        frechet_distance(PHOTOS, weights=tmp_path / "missing.safetensors")


@pytest.mark.slow
def test_inception_is_read_from_a_safetensors_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    base = fidelity.FeatureExtractorInceptionV3
    with monkeypatch.context() as patch:
        patch.setattr(base, "load_state_dict", lambda self, state: None)
        patch.setattr(fidelity, "load_state_dict_from_url", lambda *_, **__: {})
        state = base("inception-v3-compat", ["2048"]).state_dict()
    file = tmp_path / "inception.safetensors"
    save_file(dict(state), file)
    found = frechet_distance(PHOTOS, weights=file)
    assert found is not None
    assert found.source == "fid: InceptionV3"
    few, others = images(3, PHOTOS), images(3, PHOTOS, seed=1)
    scale = float(found.measure(few, others))
    assert 0 < scale < float("inf")
    assert float(found.measure(few, few)) <= 1e-2 * scale
