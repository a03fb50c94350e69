"""How many updates were rejected, and why, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from stalefl.records.metrics import Record

CAUSES = {
    "unreadable": "the reply could not be read as an update",
    "arrived": "the update held NaN or infinity when it arrived",
    "compensated": "what the method made of it did",
    "aggregated": "the new model would have, so that the whole round was left out",
}
UNKNOWN_CAUSE = "the cause was not recorded"


def rejections_in_words(runs: Mapping[str, Sequence[Sequence[Record]]]) -> Iterator[str]:
    """One line for each method of which updates were rejected, from the records of its seeds."""
    for method, seeds in runs.items():
        records = [record for seed in seeds for record in seed]
        total = sum(record["rejected_updates"] for record in records)
        if not total:
            continue
        causes = Counter(CAUSES[found["cause"]] for record in records for found in record.get("rejections", ()))
        if unknown := total - sum(causes.values()):
            causes[UNKNOWN_CAUSE] = unknown
        counted = "; ".join(f"{count}: {cause}" for cause, count in causes.most_common())
        clients = {found["client"] for record in records for found in record.get("rejections", ())}
        of = f" of {len(clients)} client{'s' * (len(clients) != 1)}" if clients else ""
        yield f"{method}: {total} update{'s' * (total != 1)}{of} rejected ({counted})"
