"""What a plugin author reads: the frozen records that cross rooms and the classes a plugin subclasses.

Nothing here imports torch at run time, so that ``stalefl --help`` stays quick.
"""

from stalefl.contracts.attacks import Attack, Exposure, Leak
from stalefl.contracts.base import PROGRESS, AnyOptions, Entry, InputError, Options, State
from stalefl.contracts.data import DataContext, Dataset, DatasetPlugin, InputSpec, ModelPlugin, Split
from stalefl.contracts.methods import ClientUpdate, Compensated, Compensator, Contribution, ServerView
from stalefl.contracts.model import Layout, Model
from stalefl.contracts.observers import Observer, Watched
from stalefl.contracts.training import LocalTraining

__all__ = [
    "PROGRESS",
    "AnyOptions",
    "Attack",
    "ClientUpdate",
    "Compensated",
    "Compensator",
    "Contribution",
    "DataContext",
    "Dataset",
    "DatasetPlugin",
    "Entry",
    "Exposure",
    "InputError",
    "InputSpec",
    "Layout",
    "Leak",
    "LocalTraining",
    "Model",
    "ModelPlugin",
    "Observer",
    "Options",
    "ServerView",
    "Split",
    "State",
    "Watched",
]
