"""Settings, classes and quantities as text, which commands, tables and pages show."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

MOST_NAMED_LABELS = 5
MOST_NAMES = 5
LONGEST_NAME = 40


def program_in_words(training: Mapping[str, Any]) -> str:
    """A client's local program, from the fields of LocalTraining."""
    batches = f"batches of {training['batch_size']}" if training["batch_size"] else "full batch"
    sgd = training["optimizer"] == "sgd"
    used = [*(["momentum"] if sgd else []), "weight_decay", "proximal_mu"]
    rest = [f"{name.replace('_', ' ')} {training[name]:g}" for name in used if training[name]]
    nesterov = ["nesterov"] if sgd and training["nesterov"] else []
    optimizer = f"{training['optimizer']} with lr {training['lr']:g}"
    return ", ".join(
        [
            f"{training['local_epochs']} {'epoch' if training['local_epochs'] == 1 else 'epochs'}",
            batches,
            optimizer,
            *rest,
            *nesterov,
        ]
    )


def guarantee_in_words(guarantee: Mapping[str, float]) -> str:
    """The differential privacy that a defence gives to one update."""
    return (
        f"one update is (epsilon {guarantee['epsilon']:.3g}, delta {guarantee['delta']:g})-differentially private "
        f"against leaving the client out, (epsilon {guarantee['epsilon_replace']:.3g}) against other data of its own"
    )


def labels_in_words(shares: Sequence[float], class_names: Sequence[str]) -> str:
    """The largest shares, as "5 93 %, 3 7 %"."""
    largest = sorted(range(len(shares)), key=lambda label: -shares[label])[:MOST_NAMED_LABELS]
    names = class_names or [str(label) for label in range(len(shares))]
    return ", ".join(f"{names[label]} {shares[label]:.0%}" for label in largest if shares[label] >= 0.005)


def duration(seconds: float) -> str:
    """``75`` -> ``1 min 15 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


MISSING = "–"
"""What tables show where there is no figure."""


def printable(text: str) -> str:
    """Control characters, which would reach a terminal, as escapes."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shortly(names: Collection[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(
        name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…" for name in list(names)[:MOST_NAMES]
    )
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES} more"


def class_words(classes: Sequence[int], names: Sequence[str] = ()) -> str:
    """As "class 5" or "classes 3, 5"; of classes whose names are not their numbers "class 5 (fox)"."""
    words = [f"{k} ({names[k]})" if names and names[k] != str(k) else str(k) for k in classes]
    return ("class " if len(classes) == 1 else "classes ") + ", ".join(words)


def seconds_text(seconds: float | None) -> str:
    """Three significant digits."""
    if seconds is None:
        return MISSING
    return f"{seconds:.3g}" if seconds < 1000 else f"{seconds:.0f}"


def share_text(share: float | None) -> str:
    if share is None:
        return MISSING
    return f"{share:.1%}".replace("%", " %") if share < 0.1 else f"{share:.0%}".replace("%", " %")
