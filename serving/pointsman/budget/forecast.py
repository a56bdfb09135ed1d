"""When a budget will run out, with an interval, from the traffic's own hours."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.budget.traffic import HourTotal, Profile, epoch_hours, fit_profile
from pointsman.budget.windows import utc
from pointsman.errors import InvalidBudget
from pointsman.money import format_usd

INTERVAL: Final = 0.9
"""The share of futures that lie within `earliest` and `latest`, and within `least` and `most`."""

_Z: Final = 1.6448536269514722  # the normal quantile of (1 + INTERVAL) / 2
_TAIL: Final = (1 - INTERVAL) / 2
_NOTHING: Final = 0.5  # nano-USD

Floats = npt.NDArray[np.float64]


class Forecast(msgspec.Struct, frozen=True):
    """What a window will come to, in nano-USD, and when its limit is reached.

    `expected_nanousd` is the whole window's spend, with what is spent already; `least` and `most` bound it with 90 %.
    `runs_out_at` is the median time at which the limit is reached; `earliest` and `latest` bound it with 90 %. Each is
    None where it lies beyond the window's end. `chance` is the probability that the limit is reached before the end.
    `hours_learned` counts the history's hours that are over: below a day the forecast only continues the mean.
    """

    limit_nanousd: int
    spent_nanousd: int
    expected_nanousd: int
    least_nanousd: int
    most_nanousd: int
    chance: float
    runs_out_at: datetime | None
    earliest: datetime | None
    latest: datetime | None
    window_end: datetime
    hours_learned: int

    @property
    def will_run_out(self) -> bool:
        """Whether the limit is more likely than not to be reached before the window ends."""
        return self.chance >= 0.5

    def words(self) -> str:
        """Return the forecast as a sentence or two."""
        spend = (
            f"{format_usd(self.spent_nanousd)} of {format_usd(self.limit_nanousd)} is spent; by the window's end, "
            f"{self.window_end:%Y-%m-%d %H:%M} UTC, {format_usd(self.expected_nanousd)} are expected "
            f"({format_usd(self.least_nanousd)} to {format_usd(self.most_nanousd)}, 90 %)."
        )
        if self.runs_out_at is None:
            return f"{spend} The limit holds with probability {1 - self.chance:.2f}."
        last = f"{self.latest:%Y-%m-%d %H:%M}" if self.latest else "not before the end"
        return (
            f"{spend} It will run out before the window ends, at about {self.runs_out_at:%Y-%m-%d %H:%M} UTC "
            f"({self.earliest:%Y-%m-%d %H:%M} to {last}, 90 %)."
        )


class Standing(msgspec.Struct, frozen=True):
    """A limit, what of it is spent, and the window it is for."""

    limit_nanousd: int
    spent_nanousd: int
    start: datetime
    end: datetime


def forecast(history: Sequence[HourTotal], standing: Standing, now: datetime) -> Forecast:
    """Return what will become of a limit, from hourly spend in nano-USD, recent weeks counting more.

    The expected spend of an hour is its hour of the week's (shrunk while weeks are few), times today's own level so
    far. The rest is spread by the days' swings and the hours' overdispersion, and read as log-normal.

    Raises:
        InvalidBudget: a negative amount, a time without a zone, or a moment outside the window.
    """
    now, start, end = utc(now), utc(standing.start), utc(standing.end)
    if min(standing.limit_nanousd, standing.spent_nanousd) < 0 or not start <= now < end:
        raise InvalidBudget(
            f"a forecast needs amounts from 0 and a moment within the window; got the limit {standing.limit_nanousd}, "
            f"spent {standing.spent_nanousd}, at {now.isoformat()} of {start.isoformat()} to {end.isoformat()}."
        )
    profile = fit_profile(history, now)
    moments, mean, variance = _path(profile, history, now, end)
    remaining = standing.limit_nanousd - standing.spent_nanousd
    chances = np.maximum.accumulate(_chance_above(remaining, mean, variance))
    least, most = _bounds(mean[-1], variance[-1])
    return Forecast(
        limit_nanousd=standing.limit_nanousd,
        spent_nanousd=standing.spent_nanousd,
        expected_nanousd=standing.spent_nanousd + round(mean[-1]),
        least_nanousd=standing.spent_nanousd + round(least),
        most_nanousd=standing.spent_nanousd + round(most),
        chance=float(chances[-1]),
        runs_out_at=_when(moments, chances, 0.5),
        earliest=_when(moments, chances, _TAIL),
        latest=_when(moments, chances, 1 - _TAIL),
        window_end=end,
        hours_learned=len({entry.hour for entry in history if entry.hour <= moments[0] - 1}),
    )


def _path(
    profile: Profile, history: Sequence[HourTotal], now: datetime, end: datetime
) -> tuple[Floats, Floats, Floats]:
    """Return moments (hours since the epoch, from now to the end), and mean and variance of the spend up to each."""
    first, last = epoch_hours(now), epoch_hours(end)
    edges = np.unique(np.concatenate(([first, last], np.arange(math.ceil(first), math.floor(last) + 1))))
    hours = np.floor(edges[:-1]).astype(np.int64)
    usual = profile.expected(hours) * np.diff(edges)
    days = hours // 24 - hours[0] // 24
    level, uncertainty = _today(profile, history, now)
    levels = np.where(days == 0, level, 1.0)
    mean = np.concatenate(([0.0], np.cumsum(usual * levels)))
    variance = np.concatenate(([0.0], np.cumsum(profile.dispersion * usual * levels)))
    for day in np.unique(days):  # a day's level moves all its hours together
        spread = uncertainty if day == 0 else profile.day_variance
        within = np.concatenate(([0.0], np.cumsum(np.where(days == day, usual, 0.0))))
        variance += spread * within**2
    return edges, mean, variance


def _today(profile: Profile, history: Sequence[HourTotal], now: datetime) -> tuple[float, float]:
    """Return the level of the present day and its variance, from the hours of it that are seen."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    due = profile.between(midnight, now)
    first, last = int(epoch_hours(midnight)), epoch_hours(now)
    seen = sum(entry.total for entry in history if first <= entry.hour <= last)
    return profile.level(due, seen), 1 / (1 / profile.day_variance + due / profile.dispersion)


def _chance_above(amount: float, mean: Floats, variance: Floats) -> Floats:
    """Return P(spend >= amount) of log-normal spends; a spend without mean is 0."""
    if amount <= 0:
        return np.ones_like(mean)
    chances = np.zeros_like(mean)
    for place in np.flatnonzero(mean > _NOTHING):
        location, scale = _log_normal(mean[place], variance[place])
        chances[place] = 0.5 * math.erfc((math.log(amount) - location) / (scale * math.sqrt(2)))
    return chances


def _bounds(mean: float, variance: float) -> tuple[float, float]:
    if mean <= _NOTHING:
        return 0.0, 0.0
    location, scale = _log_normal(mean, variance)
    return math.exp(location - _Z * scale), math.exp(location + _Z * scale)


def _log_normal(mean: float, variance: float) -> tuple[float, float]:
    squared = max(math.log1p(variance / mean**2), 1e-12)
    return math.log(mean) - squared / 2, math.sqrt(squared)


def _when(moments: Floats, chances: Floats, chance: float) -> datetime | None:
    """Return the time by which the limit is reached with this probability; None where that is beyond the window."""
    place = int(np.searchsorted(chances, chance))
    if place == len(chances):
        return None
    if place == 0:
        return _moment(moments[0])
    before, after = chances[place - 1], chances[place]
    share = (chance - before) / (after - before)
    return _moment(moments[place - 1] + share * (moments[place] - moments[place - 1]))


def _moment(hours: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=round(hours * 3600))
