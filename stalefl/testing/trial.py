"""A method under watch: what it does in its rounds that it must not do."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from stalefl.contracts import ClientUpdate, Compensated, Compensator, Contribution, InputError, ServerView, State
from stalefl.testing.findings import created
from stalefl.testing.rounds import Served, serve
from stalefl.testing.watching import global_draws, same, watched


@dataclass
class Trial:
    """What was seen of a method in its rounds; the lists hold its faults, by topic."""

    served: list[Served] = field(default_factory=list)
    """Every round; empty if they could not all be served."""
    errors: list[str] = field(default_factory=list)
    shapes: list[str] = field(default_factory=list)
    not_finite: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    global_draws: list[str] = field(default_factory=list)
    fresh_changed: list[str] = field(default_factory=list)


def trial(cls: Any, options: Mapping[str, Any]) -> Trial:
    """The rounds of a method with ``options``, served once for all checks that ask. Raises InputError if the options
    are not valid or a step refuses the example."""
    return _trial(cls, json.dumps(options, sort_keys=True, default=str))


@lru_cache(maxsize=4)
def _trial(cls: type[Any], options: str) -> Trial:
    seen = Trial()
    try:
        seen.served = serve(WatchedMethod(created(cls, json.loads(options)), seen))
    except InputError:
        raise
    except _Unusable as error:
        seen.shapes.append(str(error))
    except _StepError as error:
        seen.errors.append(str(error))
    except Exception as error:
        seen.errors.append(f"{type(error).__name__}: {error}")
    return seen


class _Unusable(Exception):
    """A step gave something that no round can go on with."""


class _StepError(Exception):
    """A step raised."""


class WatchedMethod(Compensator):
    """Passes each step on to a method, and notes its faults in a trial."""

    def __init__(self, method: Compensator, seen: Trial) -> None:
        super().__init__(method.options)
        self.method, self.seen = method, seen

    @property
    def without_staleness(self) -> bool:  # type: ignore[override]
        return self.method.without_staleness

    def init(self, view: ServerView) -> State:
        return self._state("init", self._call("init", view=view))

    def dispatch(self, client: int, view: ServerView, state: State) -> Tensor:
        return self._vector("dispatch", self._call("dispatch", client=client, view=view, state=state), view)

    def prepare(self, arrivals: Sequence[tuple[ClientUpdate, ServerView]], state: State) -> State:
        return self._state("prepare", self._call("prepare", arrivals=arrivals, state=state))

    def compensate(self, update: ClientUpdate, view: ServerView, state: State) -> Compensated:
        given = self._call("compensate", update=update, view=view, state=state)
        if not isinstance(given, Compensated):
            raise _Unusable(f"compensate gives {described(given)}; it must give Compensated(delta, weight, state)")
        self._vector("compensate", given.delta, view)
        self._weight(given.weight)
        self._state("compensate", given.state)
        if update.staleness_rounds == 0 and not same(given.delta, update.delta):
            self.seen.fresh_changed.append("compensate changes an update of staleness 0")
        return given

    def aggregate(self, contributions: Sequence[Contribution], view: ServerView, state: State) -> tuple[Tensor, State]:
        given = self._call("aggregate", contributions=contributions, view=view, state=state)
        return self._pair("aggregate", given, view)

    def refine(self, weights: Tensor, view: ServerView, state: State) -> tuple[Tensor, State]:
        return self._pair("refine", self._call("refine", weights=weights, view=view, state=state), view)

    def _call(self, step: str, **arguments: Any) -> Any:
        changed: list[str] = []
        drawn: list[str] = []
        try:
            with global_draws(drawn), watched(arguments, changed):
                return getattr(self.method, step)(*arguments.values())
        except InputError:
            raise
        except Exception as error:
            raise _StepError(f"{step} raises {type(error).__name__}: {error}") from error
        finally:
            self.seen.changed += [f"{step} changes {place} in place; make a new one" for place in changed]
            self.seen.global_draws += [f"{step} draws from {name}; draw from view.generator" for name in drawn]

    def _vector(self, step: str, given: Any, view: ServerView) -> Tensor:
        size = len(view.weights)
        if not (isinstance(given, Tensor) and given.shape == (size,) and given.dtype == torch.float32):
            raise _Unusable(f"{step} gives {described(given)}; it must give a float32 tensor [{size}], as view.weights")
        if not bool(given.isfinite().all()):
            self.seen.not_finite.append(f"{step} gives values that are not finite")
        return given

    def _weight(self, given: Any) -> None:
        if not isinstance(given, int | float):
            raise _Unusable(f"compensate gives {described(given)} as weight; it must be a number")
        if not math.isfinite(given):
            self.seen.not_finite.append(f"compensate gives the weight {given}")

    def _state(self, step: str, given: Any) -> State:
        if not isinstance(given, Mapping):
            raise _Unusable(f"{step} gives {described(given)} as state; it must be a dict")
        return given

    def _pair(self, step: str, given: Any, view: ServerView) -> tuple[Tensor, State]:
        if not (isinstance(given, tuple) and len(given) == 2):
            raise _Unusable(f"{step} gives {described(given)}; it must give a pair: weights [P] and state")
        return self._vector(step, given[0], view), self._state(step, given[1])


def described(value: Any) -> str:
    """What it is, in words: "a torch.float64 tensor [3]"."""
    if isinstance(value, Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor {list(value.shape)}"
    return "nothing" if value is None else f"an object of type {type(value).__name__}"
