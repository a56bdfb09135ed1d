"""What a quality target promises, in words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pointsman.policy import novelty_drift
from pointsman.policy.drift import FEWEST_TASKS
from pointsman.promises import Promises
from pointsman.types import Decision, Promise

_TOO_NOVEL = "novelty above the calibration data's"


def promise_words(promise: Promise) -> str:
    """Return the promise of one decision, or why it is withdrawn."""
    if promise.holds:
        return f"mean quality of at least {promise.quality:g}, with {promise.confidence:.0%} confidence"
    return f"withdrawn: {promise.reason}"


@dataclass
class PromiseTally:
    """What is promised of a batch: counts of promises by their words, and the novelty of every task."""

    kept: Counter[str] = field(default_factory=Counter)
    withdrawn: Counter[str] = field(default_factory=Counter)
    novelty: list[float] = field(default_factory=list)

    def add(self, decision: Decision) -> None:
        """Count one decision that a quality target stands behind."""
        promise = decision.promise
        if promise is None:
            return
        self.novelty.append(decision.novelty)
        if promise.holds:
            self.kept[promise_words(promise)] += 1
        else:
            reason = promise.reason or ""
            self.withdrawn[_TOO_NOVEL if reason.startswith("novelty ") else reason] += 1

    def words(self, promises: Promises) -> list[str]:
        """Return what holds of how many tasks, and why not of the others.

        Single tasks may all pass while together they are unlike the calibration data; then nothing is promised.
        """
        if drift := drift_words(self.novelty, promises):
            return [f"withdrawn: {drift}"]
        total = self.kept.total() + self.withdrawn.total()
        lines = [f"{words}, on {count:,} of {total:,} tasks" for words, count in self.kept.items()]
        return lines + [f"withdrawn on {count:,}: {reason}" for reason, count in self.withdrawn.most_common()]


def drift_words(novelty: Sequence[float], promises: Promises) -> str | None:
    """Return how these tasks' novelty differs from the calibration data's, None where chance explains it."""
    if len(novelty) < FEWEST_TASKS:
        return None
    drift = novelty_drift(novelty, promises.novelty_quantiles, promises.groups)
    if not drift.has_drifted:
        return None
    return (
        f"the novelty of these {drift.tasks:,} tasks is distributed unlike the calibration data's "
        f"(distance {drift.distance:.2f}; chance explains {drift.limit:.2f})"
    )
