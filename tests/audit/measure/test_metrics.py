from __future__ import annotations

from stalefl.audit.measure.metrics import METRICS, metrics_of


def test_every_metric_says_what_it_is() -> None:
    for name, metric in METRICS.items():
        assert name == metric.name
        assert metric.title
        assert metric.unit
        assert metric.meaning
        assert "\n" not in metric.meaning


def test_spaces_have_the_metrics_that_fit_them() -> None:
    names = {space: {metric.name for metric in metrics_of(space)} for space in ("pixels", "signal", "embedding")}
    assert {"psnr", "ssim", "lpips", "fid"} <= names["pixels"]
    assert "relative_rmse" in names["signal"] - names["pixels"]
    assert "token_accuracy" in names["embedding"] - names["signal"]
    assert {"label_accuracy", "nearest_rmse"} <= names["pixels"] & names["signal"] & names["embedding"]
