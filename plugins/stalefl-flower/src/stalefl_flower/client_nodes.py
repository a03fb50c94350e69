"""The node of every client. Nodes come and go, with new ids when they return; a method's memory is by client."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class ClientNodes:
    """Nodes by client. A node that has not said which client it is has no work yet."""

    clients: int
    node_of: dict[int, int] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    """Every node that was ever asked, so that none is asked twice while it is there."""

    def newcomers(self, present: Iterable[int]) -> list[int]:
        """The nodes that are here for the first time, in ascending order."""
        new = sorted(set(present) - self.seen)
        self.seen.update(new)
        return new

    def forget(self, node: int) -> None:
        """Ask ``node`` once more: its answer was lost."""
        self.seen.discard(node)

    def enter(self, node: int, client: int) -> int | None:
        """``node`` is ``client`` from now on. The node that was it before, if any: it is given no more work."""
        before = self.node_of.get(client)
        self.node_of[client] = node
        return before if before != node else None

    def free_client(self) -> int | None:
        """The lowest number that no node has taken; None if all are taken."""
        return next((client for client in range(self.clients) if client not in self.node_of), None)

    def present(self, nodes: Iterable[int]) -> dict[int, int]:
        """Nodes by client, of those that are here now, in the order of clients."""
        here = set(nodes)
        return {client: self.node_of[client] for client in sorted(self.node_of) if self.node_of[client] in here}
