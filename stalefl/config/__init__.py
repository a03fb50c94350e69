"""Experiment files: schema, loading and the words of their errors."""

from __future__ import annotations

from stalefl.config.loading import experiment_to_toml, load_experiment, method_names, method_options, single_run
from stalefl.config.schema import Experiment

__all__ = ["Experiment", "experiment_to_toml", "load_experiment", "method_names", "method_options", "single_run"]
