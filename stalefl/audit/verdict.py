"""What the metrics of a cell say, in plain words, against thresholds that are stated with them.

Two references stand beside a cell, measured in the same way: the noise floor, where random inputs take the place of the
recovered ones, and the strangers, other real samples of the same classes. A leak of one sample shows above both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from stalefl.audit.measure.metrics import READABLE_PSNR_DB, MetricValues

READABLE, TRACES, NO_BETTER_THAN_NOISE, UNKNOWN = "readable", "traces", "no better than noise", "unknown"
KNOWN, PARTLY, GUESSING, TOO_FEW = "labels known", "partly", "no better than guessing", "too few to tell"


@dataclass(frozen=True)
class Thresholds:
    """All of them, and in words for the page."""

    readable_psnr_db: float = READABLE_PSNR_DB
    recognised_share: float = 0.9
    token_share: float = 0.5
    above_strangers_db: float = 6.0
    significance: float = 0.01
    labels_known: float = 0.95
    fewest_clients: int = 7

    def in_words(self) -> tuple[str, ...]:
        return (
            f'"{READABLE}": at least half of the samples have a PSNR of {self.readable_psnr_db:g} dB or more (what is '
            f"no image must be {self.above_strangers_db:g} dB above noise and strangers as well, of at least "
            f"{self.fewest_clients} clients: series of a class are alike); or the "
            f"classifier recognises at least {self.recognised_share:.0%} as many of them as of the true ones, more "
            f"than chance, and their median PSNR is {self.above_strangers_db:g} dB above that of noise and of "
            "strangers (a class could be recognised without a sample); or at least "
            f"{self.token_share:.0%} of the tokens are right at their places, or at whatever place and then "
            "significantly more than of noise and of strangers.",
            f'"{TRACES}": the classifier recognises more than it does of noise, and more than chance; or the recovered '
            "samples of more clients than chance are nearer to their own than to strangers of the same classes (both: "
            f"one-sided binomial test at {self.significance:.0%}); or the median PSNR is "
            f"{self.above_strangers_db:g} dB above that of noise and of strangers (a mean of the class is about "
            "3 dB above strangers); or significantly more tokens are recovered, at whatever place, than of noise and "
            "of strangers.",
            f'"{TOO_FEW}": none of these, of less than {self.fewest_clients} clients: traces could not be told from '
            "luck.",
            f'"{NO_BETTER_THAN_NOISE}": none of these. It is no proof that nothing leaks: another attack may see more.',
            f'"{UNKNOWN}": the true samples are not known, or the attack recovers labels only.',
            f'"{KNOWN}": at least {self.labels_known:.0%} of the labels are told; "{PARTLY}": significantly more than '
            f'a guess would; "{TOO_FEW}": even all labels right could be luck; "{GUESSING}": else.',
        )


THRESHOLDS = Thresholds()


class Verdict(NamedTuple):
    """One of the words above, and the numbers behind it in a sentence."""

    word: str
    reason: str


def judge_inputs(
    cell: MetricValues,
    classes: int,
    floor: MetricValues | None = None,
    strangers: MetricValues | None = None,
    thresholds: Thresholds = THRESHOLDS,
    *,
    images: bool = True,
) -> Verdict:
    """The verdict on recovered inputs, from the metrics of the cell and, if measured, of the two references. Whether
    they are ``images`` says what their PSNR means: a picture of so many dB can be seen, whatever strangers have."""
    if not cell.get("pairs"):
        return Verdict(UNKNOWN, "there are no recovered samples to compare with true ones")
    floor, strangers = floor or {}, strangers or {}
    if reason := _readable(cell, classes, floor, strangers, thresholds, images):
        return Verdict(READABLE, reason)
    if reason := _traces(cell, classes, floor, strangers, thresholds):
        return Verdict(TRACES, reason)
    if _too_few(cell, thresholds):
        needed, clients = thresholds.fewest_clients, _count(cell["clients"])
        return Verdict(TOO_FEW, f"not readable; to tell traces from luck takes {needed} clients, not {clients}")
    return Verdict(
        NO_BETTER_THAN_NOISE, f"nothing stands out of noise and strangers in {_count(cell['pairs'])} samples"
    )


def judge_labels(cell: MetricValues, thresholds: Thresholds = THRESHOLDS) -> Verdict:
    """The verdict on recovered labels. Several labels of one client are counted as if they were independent."""
    accuracy, guess, samples = cell.get("label_accuracy"), cell.get("label_guess"), cell.get("samples")
    if accuracy is None or guess is None or not samples:
        return Verdict(UNKNOWN, "the true labels are not known")
    reason = f"{accuracy:.0%} of {samples:.0f} labels, a guess would tell {guess:.0%}"
    if beyond_chance(accuracy, samples, guess) <= thresholds.significance:
        return Verdict(KNOWN if accuracy >= thresholds.labels_known else PARTLY, reason)
    if accuracy > guess and beyond_chance(1.0, samples, guess) > thresholds.significance:
        return Verdict(TOO_FEW, reason)
    return Verdict(GUESSING, reason)


def beyond_chance(share: float, count: float, chance: float) -> float:
    """The probability of at least ``share`` successes in ``count`` tries of probability ``chance``."""
    from scipy.stats import binom

    return float(binom.sf(round(share * count) - 1, round(count), min(chance, 1.0)))


def _readable(
    cell: MetricValues, classes: int, floor: MetricValues, strangers: MetricValues, thresholds: Thresholds, images: bool
) -> str:
    psnr, tokens = cell.get("psnr_median"), cell.get("token_accuracy")
    margin = _margin_db(cell, floor, strangers)
    own = margin is not None and margin >= thresholds.above_strangers_db
    shows = images or (own and not _too_few(cell, thresholds))
    if psnr is not None and psnr >= thresholds.readable_psnr_db and shows:
        return (
            f"median PSNR {psnr:.1f} dB" if images else f"median PSNR {psnr:.1f} dB, {margin:.1f} above the references"
        )
    if tokens is not None and tokens >= thresholds.token_share:
        return f"{tokens:.0%} of the tokens are right"
    if _tells_tokens(cell, floor, strangers, thresholds) and (cell["token_recall"] or 0) >= thresholds.token_share:
        return _tokens_in_words(cell, floor, strangers)
    seen, seen_true = cell.get("classifier_accuracy"), cell.get("classifier_accuracy_true")
    if seen is None or seen_true is None or not _recognised(cell, classes, floor, thresholds):
        return ""
    if own and seen >= thresholds.recognised_share * seen_true:
        return f"the classifier recognises {seen:.0%}, of the true samples {seen_true:.0%}"
    return ""


def _traces(
    cell: MetricValues, classes: int, floor: MetricValues, strangers: MetricValues, thresholds: Thresholds
) -> str:
    if _recognised(cell, classes, floor, thresholds):
        return f"the classifier recognises {cell['classifier_accuracy']:.0%}, more than chance"
    nearer, clients = cell.get("own_nearer_share"), cell.get("clients")
    if nearer is not None and clients and beyond_chance(nearer, clients, 0.5) <= thresholds.significance:
        return f"recovered samples of {nearer:.0%} of {clients:.0f} clients are nearer to their own than to strangers"
    if _tells_tokens(cell, floor, strangers, thresholds):
        return _tokens_in_words(cell, floor, strangers)
    margin = _margin_db(cell, floor, strangers)
    above = margin is not None and margin >= thresholds.above_strangers_db
    return f"median PSNR {margin:.1f} dB above the references" if above else ""


def _margin_db(cell: MetricValues, floor: MetricValues, strangers: MetricValues) -> float | None:
    """How far the median PSNR is above that of noise and of strangers; None where there are none."""
    psnr, others, noise = (values.get("psnr_median") for values in (cell, strangers, floor))
    if psnr is None or others is None:
        return None
    return psnr - max(others, others if noise is None else noise)


def _tells_tokens(cell: MetricValues, floor: MetricValues, strangers: MetricValues, thresholds: Thresholds) -> bool:
    """Whether more of the tokens are recovered, at whatever place, than noise and strangers of the class hold anyway.
    Tokens of one text are counted as if they were independent."""
    found, count, chance = cell.get("token_recall"), cell.get("token_count"), _tokens_by_chance(floor, strangers)
    if found is None or chance is None or not count:
        return False
    return beyond_chance(found, count, chance) <= thresholds.significance


def _tokens_by_chance(floor: MetricValues, strangers: MetricValues) -> float | None:
    """None where there is no reference."""
    known = [share for values in (floor, strangers) if (share := values.get("token_recall")) is not None]
    return max(known, default=None)


def _tokens_in_words(cell: MetricValues, floor: MetricValues, strangers: MetricValues) -> str:
    chance = _tokens_by_chance(floor, strangers)
    return f"{cell['token_recall']:.0%} of the tokens are recovered, at whatever place, by chance {chance:.0%}"


def _recognised(cell: MetricValues, classes: int, floor: MetricValues, thresholds: Thresholds) -> bool:
    """Whether the classifier recognises more than chance, and than it does of noise."""
    seen, pairs = cell.get("classifier_accuracy"), cell.get("pairs")
    if seen is None or not pairs:
        return False
    chance = max(floor.get("classifier_accuracy") or 0.0, 1 / classes)
    return beyond_chance(seen, pairs, chance) <= thresholds.significance


def _too_few(cell: MetricValues, thresholds: Thresholds) -> bool:
    clients = cell.get("clients")
    return clients is not None and clients < thresholds.fewest_clients


def _count(value: float | None) -> str:
    return f"{value or 0:.0f}"
