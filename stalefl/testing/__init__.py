"""The conformance kit: what authors of plugins test with.

``check_compensator``, ``check_model``, ``check_dataset``, ``check_attack`` and ``check_observer`` run all checks of a
class and raise AssertionError with what is wrong; the tuples ``..._CHECKS`` hold the single checks, to run each as a
test of its own. ``example_...`` are small problems. ``stalefl plugins check NAME`` runs the same checks on installed
packages.
"""

from stalefl.testing.attacks import ATTACK_CHECKS, check_attack
from stalefl.testing.compensators import COMPENSATOR_CHECKS, check_compensator
from stalefl.testing.datasets import DATASET_CHECKS, check_dataset
from stalefl.testing.examples import (
    EXAMPLE_IMAGES,
    EXAMPLE_SPEC,
    EXAMPLE_TRAINING,
    example_exposure,
    example_inputs,
    example_model,
    example_samples,
    example_update,
    example_updates,
    example_view,
)
from stalefl.testing.findings import Finding, findings
from stalefl.testing.models import MODEL_CHECKS, check_model
from stalefl.testing.observers import OBSERVER_CHECKS, check_observer, example_records, example_watched

__all__ = [
    "ATTACK_CHECKS",
    "COMPENSATOR_CHECKS",
    "DATASET_CHECKS",
    "EXAMPLE_IMAGES",
    "EXAMPLE_SPEC",
    "EXAMPLE_TRAINING",
    "MODEL_CHECKS",
    "OBSERVER_CHECKS",
    "Finding",
    "check_attack",
    "check_compensator",
    "check_dataset",
    "check_model",
    "check_observer",
    "example_exposure",
    "example_inputs",
    "example_model",
    "example_records",
    "example_samples",
    "example_update",
    "example_updates",
    "example_view",
    "example_watched",
    "findings",
]
