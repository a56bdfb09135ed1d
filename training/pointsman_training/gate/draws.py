"""Bootstrap draws of whole prompt groups. Statistics are ratios of sums over rows, so one product has all draws."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from pointsman_training.evaluation.bootstrap import Interval, cluster_weights, interval
from pointsman_training.metrics import Doubles
from pointsman_training.network import Integers


@dataclass(frozen=True)
class Draws:
    """How often each group is in each draw, `counts` (1 + draws, groups); the first line counts every group once.

    `member` (n,) is the group of each row.
    """

    counts: Doubles
    member: Integers

    def totals(self, values: npt.NDArray[Any]) -> Doubles:
        """Return the sum of values (n,) or (n, k) over the rows of each draw, (1 + draws,) or (1 + draws, k)."""
        sums: Doubles = self.counts @ (self._rows_of_group @ values.astype(np.float64))
        return sums

    def means(self, values: npt.NDArray[Any]) -> Doubles:
        """Return the mean of values (n,) or (n, k) over the rows of each draw, shaped as `totals`."""
        means: Doubles = self.totals(values) / (self.sizes if values.ndim == 1 else self.sizes[:, np.newaxis])
        return means

    @cached_property
    def sizes(self) -> Doubles:
        """How many rows each draw has, (1 + draws,)."""
        return self.totals(np.ones(len(self.member)))

    @cached_property
    def _rows_of_group(self) -> csr_array:
        rows = np.arange(len(self.member))
        return csr_array((np.ones(len(rows)), (self.member, rows)), shape=(self.counts.shape[1], len(rows)))


def draws_of(groups: npt.NDArray[np.str_], draws: int, rng: np.random.Generator) -> Draws:
    """Return the draws for rows in these groups (n,), the rows themselves first."""
    names, member = np.unique(groups, return_inverse=True)
    return Draws(np.vstack([np.ones(len(names)), cluster_weights(names, draws, rng)]), member.astype(np.int64))


def interval_of(values: Doubles) -> Interval:
    """Return the value on all rows, values[0], and the 95 % percentile interval of the draws, values[1:]."""
    return interval(float(values[0]), values[1:])
