"""Token inputs: the table through which a model sees them, and the space in which such inputs can be optimised.

A data set of texts gives token numbers (space ``tokens``). Whoever optimises inputs works on the vectors that stand for
them (space ``embedding``), which the model takes as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import Tensor

from stalefl.contracts import Dataset, InputSpec, Split
from stalefl.training.token_layer import PADDING, table_name

if TYPE_CHECKING:
    from stalefl.contracts import Model


def token_table(model: Model, weights: Tensor, buffers: Mapping[str, Tensor]) -> Tensor | None:
    """The table [V, D] of a model with ``weights`` [P]; None for a model that takes no tokens."""
    name = table_name(model.module)
    return {**model.layout.to_named(weights), **buffers}[name] if name else None


def optimised_spec(spec: InputSpec, table: Tensor | None) -> InputSpec:
    """Inputs as methods and attacks see them: of tokens their vectors [L, D] between the least and the greatest value
    in ``table`` [V, D]; all else as it is."""
    if spec.space != "tokens" or table is None:
        return spec
    length = spec.shape[0]
    least, greatest = float(table.min()), float(table.max())
    return replace(
        spec,
        shape=(length, table.shape[1]),
        value_range=((least,) * length, (greatest,) * length),
        space="embedding",
    )


def as_vectors(inputs: Tensor, table: Tensor | None) -> Tensor:
    """Inputs [N, *shape] in the space of ``optimised_spec``."""
    return inputs if table is None or inputs.dim() != 2 else table[inputs.long()]


def with_vectors(dataset: Dataset, table: Tensor | None) -> Dataset:
    """``dataset`` in the space of ``optimised_spec``: tokens replaced by their vectors."""
    if table is None or dataset.spec.space != "tokens":
        return dataset
    train, test = (
        Split(part.raw, part.targets, _Vectors(part.to_model, table.cpu())) for part in (dataset.train, dataset.test)
    )
    return Dataset(dataset.name, train, test, optimised_spec(dataset.spec, table))


@dataclass(frozen=True)
class _Vectors:
    """Raw values [n, ...] -> vectors [n, L, D]."""

    to_tokens: Callable[[Tensor], Tensor]
    table: Tensor

    def __call__(self, raw: Tensor) -> Tensor:
        return as_vectors(self.to_tokens(raw), self.table)


def nearest_tokens(embedded: Tensor, table: Tensor) -> Tensor:
    """The row of ``table`` [V, D] nearest to each vector of ``embedded`` [..., D], by L2 distance; int64 [...]."""
    # |e - t|^2 up to |e|^2, which is the same for all rows.
    scores = table.square().sum(dim=1) - 2 * embedded @ table.T
    return scores.argmin(dim=-1)


def texts(embedded: Tensor, table: Tensor, tokens: Sequence[str]) -> list[str]:
    """What vectors [n, L, D] say in the words ``tokens`` [V], padding left out."""
    rows = nearest_tokens(embedded, table.to(embedded)).tolist()
    return [" ".join(tokens[token] for token in row if token != PADDING) for row in rows]
