"""What traffic is like over a week, learned from its own hourly totals: the base of pacing and of forecasts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.budget.windows import utc
from pointsman.errors import InvalidBudget

HOURS_PER_WEEK: Final = 168
HALF_LIFE_HOURS: Final = 28 * 24
MAX_HISTORY_HOURS: Final = 26 * HOURS_PER_WEEK

_DAYS_OF_PRIOR_HOUR: Final = 2.0
_WEEKS_OF_PRIOR_DAY: Final = 1.0
_WEEKS_OF_PRIOR_CELL: Final = 2.0
_PRIOR_DAY_VARIANCE: Final = 0.09
_DAYS_OF_PRIOR_VARIANCE: Final = 3.0
_LEAST_DAY_VARIANCE: Final = 0.0025
_BURST_MEMORY_HOURS: Final = 0.1
_BURST_LASTS_HOURS: Final = 0.5
_CAUTION: Final = 0.5
_EPOCH_HOUR_OF_WEEK: Final = 72  # the epoch was a Thursday; weeks begin on Monday, 00:00 UTC

Floats = npt.NDArray[np.float64]


class HourTotal(msgspec.Struct, frozen=True):
    """What one hour held: `hour` counts hours since the epoch (UTC); hours without any needn't be given."""

    hour: int
    total: float


class Profile(msgspec.Struct, frozen=True, dict=True):
    """The expected total of each hour of the week (168 from Monday 00:00 UTC), and how far reality strays.

    `dispersion` is the variance of an hour's total over its mean; `day_variance` the relative variance of whole days,
    what is unsure about the profile included.
    """

    by_hour_of_week: tuple[float, ...]
    dispersion: float
    day_variance: float

    def expected(self, hours: npt.NDArray[np.int64]) -> Floats:
        """Return the expected totals of these hours since the epoch."""
        return self._rates[(hours + _EPOCH_HOUR_OF_WEEK) % HOURS_PER_WEEK]

    @cached_property
    def _rates(self) -> Floats:
        return np.array(self.by_hour_of_week)

    def between(self, start: datetime, end: datetime) -> float:
        """Return the expected total from `start` to `end`; parts of hours count in proportion."""
        first, last = epoch_hours(start), epoch_hours(end)
        if last <= first:
            return 0.0
        hours = np.arange(int(first), int(np.ceil(last)))
        shares = np.minimum(hours + 1, last) - np.maximum(hours, first)
        return float(self.expected(hours) @ shares)

    def level(self, expected: float, seen: float) -> float:
        """Return the factor of a day on which `seen` came where `expected` was due: shrunk to 1 while little is due."""
        trust, noise = 1 / self.day_variance, max(self.dispersion, 1e-12)
        return (trust + seen / noise) / (trust + expected / noise)


FLAT: Final = Profile((0.0,) * HOURS_PER_WEEK, 1.0, _PRIOR_DAY_VARIANCE)
"""The profile of a history that holds nothing."""


def epoch_hours(moment: datetime) -> float:
    """Return the hours since the epoch, with their fraction."""
    return utc(moment).timestamp() / 3600


def fit_profile(history: Sequence[HourTotal], now: datetime) -> Profile:
    """Return the profile of the hours that are over, the recent ones counting more (half-life four weeks).

    An hour of the week is shrunk towards hour-of-day × day-of-week, and those towards the mean, so that one day of
    history gives a usable profile. Without any hour that is over, `FLAT`.

    Raises:
        InvalidBudget: a total is negative or not finite.
    """
    first, totals = _dense(history, int(epoch_hours(now)))
    if not len(totals) or not totals.any():
        return FLAT
    places = (np.arange(first, first + len(totals)) + _EPOCH_HOUR_OF_WEEK) % HOURS_PER_WEEK
    weights = 0.5 ** (np.arange(len(totals))[::-1] / HALF_LIFE_HOURS)
    cells = _sums(places, weights, HOURS_PER_WEEK)
    sums = _sums(places, weights * totals, HOURS_PER_WEEK)
    prior = _hour_by_day(cells.reshape(7, 24), sums.reshape(7, 24))
    rates = (sums + _WEEKS_OF_PRIOR_CELL * prior) / (cells + _WEEKS_OF_PRIOR_CELL)
    leverage = weights / (cells + _WEEKS_OF_PRIOR_CELL)[places]
    foreseen = totals - (totals - rates[places]) / (1 - leverage)  # what the rest of the history foresaw of each hour
    dispersion, day_variance = _spread(first, totals, np.maximum(foreseen, 0), weights)
    unsure = 1 + 1 / max(float(cells.mean()), 1 / 7)  # a weekday known from n weeks is itself off by 1/n of a variance
    return Profile(tuple(rates.tolist()), dispersion, day_variance * unsure)


def _dense(history: Sequence[HourTotal], end: int) -> tuple[int, Floats]:
    """Return the first hour and all totals from there to `end` (exclusive), zeros filled in."""
    hours = np.array([entry.hour for entry in history], dtype=np.int64)
    amounts = np.array([entry.total for entry in history], dtype=np.float64)
    wrong = ~(np.isfinite(amounts) & (amounts >= 0))
    if wrong.any():
        entry = history[int(wrong.argmax())]
        raise InvalidBudget(f"the total of hour {entry.hour} is {entry.total!r}; expected a finite number from 0.")
    over = (hours >= end - MAX_HISTORY_HOURS) & (hours < end)
    if not over.any():
        return end, np.zeros(0)
    first = int(hours[over].min())
    totals = np.zeros(end - first)
    np.add.at(totals, hours[over] - first, amounts[over])
    return first, totals


def _sums(places: npt.NDArray[np.int64], amounts: Floats, least: int) -> Floats:
    return np.bincount(places, amounts, least).astype(np.float64)


def _hour_by_day(cells: Floats, sums: Floats) -> Floats:
    """Return the product of hour-of-day and day-of-week factors with the mean, (168,); both shrunk towards 1."""
    mean = sums.sum() / cells.sum()
    of_hour = (sums.sum(axis=0) + _DAYS_OF_PRIOR_HOUR * mean) / (cells.sum(axis=0) + _DAYS_OF_PRIOR_HOUR)
    due = (cells * of_hour).sum(axis=1)  # a day seen in part is compared with the hours that were seen
    strength = _WEEKS_OF_PRIOR_DAY * 24 * mean
    of_day = (sums.sum(axis=1) + strength) / (due + strength)
    product: Floats = (of_day[:, np.newaxis] * of_hour).ravel()
    return product


def _spread(first: int, totals: Floats, foreseen: Floats, weights: Floats) -> tuple[float, float]:
    """Return the dispersion of hours about their own day's level, and the relative variance of whole days."""
    days = (np.arange(first, first + len(totals)) // 24) - first // 24
    due, came = _sums(days, foreseen, 0), _sums(days, totals, 0)
    hours_seen = np.bincount(days)
    level = np.divide(came, due, out=np.ones_like(due), where=due > 0)
    within = (totals - foreseen * level[days]) ** 2 * 24 / 23
    dispersion = float(weights @ within) / max(float(weights @ foreseen), 1e-12)
    whole = (hours_seen == 24) & (due > 0)
    noise = dispersion / due[whole]
    excess = float(((level[whole] - 1) ** 2 - noise).sum())
    variance = (excess + _DAYS_OF_PRIOR_VARIANCE * _PRIOR_DAY_VARIANCE) / (whole.sum() + _DAYS_OF_PRIOR_VARIANCE)
    return max(dispersion, 1e-9), max(float(variance), _LEAST_DAY_VARIANCE)


class Arrivals(msgspec.Struct, frozen=True):
    """How fast tasks come just now: tasks an hour, an average that forgets within half an hour."""

    tasks_per_hour: float = 0.0
    at_hour: float = 0.0

    def after(self, count: int, now: datetime) -> "Arrivals":
        """Return the arrivals after `count` tasks came at `now`; a clock that steps back forgets nothing."""
        hour = max(epoch_hours(now), self.at_hour)
        return Arrivals(self._rate_at(hour) + count / _BURST_MEMORY_HOURS, hour)

    def tasks_per_hour_at(self, now: datetime) -> float:
        """Return the rate at a later moment, when nothing came since."""
        return self._rate_at(max(epoch_hours(now), self.at_hour))

    def _rate_at(self, hour: float) -> float:
        return self.tasks_per_hour * float(np.exp((self.at_hour - hour) / _BURST_MEMORY_HOURS))


def to_come(
    profile: Profile, arrivals: Arrivals, seen: float, *, start: datetime, now: datetime, end: datetime
) -> float:
    """Return a cautious number of tasks from `now` to `end`, after `seen` since the window's `start`.

    The profile says how many, the window's own level so far by how much more or less, and a burst that is on is
    expected to last for another `_BURST_LASTS_HOURS`. To this `_CAUTION` standard deviations are added: running out
    costs more quality than what is left over would have bought. Without a profile the window's own rate goes on, or
    its mean with the present one where that is higher.
    """
    rest_hours = max(epoch_hours(end) - epoch_hours(now), 0.0)
    soon = min(_BURST_LASTS_HOURS, rest_hours)
    rate = arrivals.tasks_per_hour_at(now)
    if not any(profile.by_hour_of_week):
        elapsed = max(epoch_hours(now) - epoch_hours(start), _BURST_MEMORY_HOURS)
        so_far = seen / elapsed
        return rest_hours * (so_far + max(so_far, rate)) / 2
    due = profile.between(start, now)
    level = profile.level(due, seen)
    rest = profile.between(now, end) * level
    usual = profile.between(now, now + timedelta(hours=soon)) * level
    variance = rest**2 / (1 / profile.day_variance + due / profile.dispersion) + profile.dispersion * rest
    return rest + max(rate * soon - usual, 0.0) + _CAUTION * float(np.sqrt(variance))
