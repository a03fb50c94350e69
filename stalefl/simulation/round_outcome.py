"""What the engine says of a round: what became of its updates, how long it took, how far estimates were off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from stalefl.server.round import Cause, ServerRound
from stalefl.simulation.oracle import UpdateError, mean_update_error, update_error


@dataclass(frozen=True)
class LateUpdate:
    """What became of a late update; its errors are known to an oracle only."""

    client: int
    staleness_rounds: int
    weight: float
    iterations: int
    facts: Mapping[str, float | bool]
    estimate_error: UpdateError | None = None
    stale_error: UpdateError | None = None


@dataclass(frozen=True)
class Shadow:
    """What a shadow method made of a round's late updates, and how long it took."""

    late_updates: tuple[LateUpdate, ...]
    seconds: float

    @property
    def estimate_error(self) -> UpdateError | None:
        """The mean over the late updates."""
        return mean_update_error(late.estimate_error for late in self.late_updates if late.estimate_error)

    @property
    def iterations(self) -> int:
        return sum(late.iterations for late in self.late_updates)


@dataclass(frozen=True)
class RoundOutcome:
    """What happened in a round, before evaluation. ``participants`` are the clients whose update arrived."""

    round: int
    participants: tuple[int, ...]
    staleness_rounds: tuple[int, ...]
    """One entry per stale update."""
    late_updates: tuple[LateUpdate, ...]
    """Those of them that entered the aggregation."""
    rejected: tuple[int, ...]
    inversion_iterations: int
    client_seconds: float
    server_seconds: float
    shadows: Mapping[str, Shadow]
    causes: tuple[Cause, ...] = ()
    """Why each of ``rejected`` was."""

    @property
    def estimate_error(self) -> UpdateError | None:
        """The mean over the late updates."""
        return mean_update_error(late.estimate_error for late in self.late_updates if late.estimate_error)

    @property
    def stale_error(self) -> UpdateError | None:
        """The mean over the late updates."""
        return mean_update_error(late.stale_error for late in self.late_updates if late.stale_error)


def late_updates_of(served: ServerRound, truths: Mapping[int, Tensor]) -> tuple[LateUpdate, ...]:
    """Those of a round at the server, compared with the ``truths`` [P] by client; with none there is no error."""
    return tuple(
        LateUpdate(
            client=c.update.client,
            staleness_rounds=c.update.staleness_rounds,
            weight=c.weight,
            iterations=c.iterations,
            facts=c.facts,
            estimate_error=update_error(c.delta, truths[c.update.client]) if truths else None,
            stale_error=update_error(c.update.delta, truths[c.update.client]) if truths else None,
        )
        for c in served.contributions
        if c.update.staleness_rounds
    )
