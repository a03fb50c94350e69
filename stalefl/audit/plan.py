"""What an audit does: the attacks, defences and conditions of an experiment's ``[audit]``, checked before it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stalefl.audit.conditions import Condition, parse_condition
from stalefl.audit.defences import Defence
from stalefl.config.schema import AuditTable
from stalefl.contracts import Attack, Exposure, InputError
from stalefl.registry import load_registry


@dataclass(frozen=True)
class Plan:
    """Every attack by its name, every defence by what it is written as, and how often each attack is tried."""

    attacks: Mapping[str, Attack]
    defences: Mapping[str, Defence]
    restarts: int
    dp_delta: float
    conditions: tuple[Condition, ...]

    @classmethod
    def of(cls, table: AuditTable) -> Plan:
        """Raises InputError, naming the key, for what is unknown, named twice or not valid."""
        _check_named_once("audit.attacks", table.attacks)
        for name, options in table.options.items():
            if name not in table.attacks:
                raise InputError(
                    f"audit.options.{name} belongs to no attack of this audit ({', '.join(table.attacks)})"
                )
            if not isinstance(options, Mapping):
                raise InputError(f"audit.options.{name} is not a table; write [audit.options.{name}]")
        registry = load_registry()
        attacks = {name: registry.create("attack", name, table.options.get(name)) for name in table.attacks}
        defences = [Defence.parse(text) for text in table.defences]
        _check_named_once("audit.defences", tuple(map(str, defences)))
        return cls(
            attacks=attacks,
            defences={str(defence): defence for defence in defences},
            restarts=table.restarts,
            dp_delta=table.dp_delta,
            conditions=tuple(map(parse_condition, table.fail_if)),
        )

    def cells(self, exposure: Exposure) -> Iterator[tuple[str, str, str]]:
        """One for every attack under every defence: the two names, and why the attack cannot be made on such an update
        (empty where it can)."""
        for name, attack in self.attacks.items():
            unfit = attack.unfit(exposure)
            for defence in self.defences:
                yield name, defence, unfit

    def attempts_per_case(self, attack: str) -> int:
        """How often an attack is tried on one update: one that draws nothing would only repeat itself."""
        return self.restarts if self.attacks[attack].draws else 1


def _check_named_once(key: str, names: tuple[str, ...]) -> None:
    if not names:
        raise InputError(f"{key} is empty; valid: at least one")
    if twice := next((name for place, name in enumerate(names) if name in names[:place]), None):
        raise InputError(f'{key} names "{twice}" twice')


def settings_of(attack: Attack) -> dict[str, Any]:
    """An attack's options, as the report tells them."""
    return attack.options.model_dump(mode="json")
