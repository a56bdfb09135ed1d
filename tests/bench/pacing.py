"""A month of traffic with bursts under a daily budget: how much quality pacing loses against the offline optimum.

The fleet is the default one with its prices; task difficulty, abilities and lengths are drawn. The optimum is the
Lagrangian bound of each day's knapsack with all of the day's tasks known beforehand, at the costs that were predicted,
scaled to the bills. The clairvoyant knows each single bill as well: no prediction of costs can.
"""

import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from pointsman.budget import pacing
from pointsman.budget.traffic import FLAT, Arrivals, HourTotal, Profile, epoch_hours, fit_profile, to_come
from pointsman.money import NANO
from pointsman.registry import load_fleet

ROOT: Final = Path(__file__).resolve().parents[2]
START: Final = datetime(2026, 6, 1, tzinfo=UTC)  # a Monday
LIMIT_NANOUSD: Final = 10 * NANO
MOST_OUTPUT: Final = 4_096
TRADE_USD: Final = 1.0
OBSERVED_AT_ONCE: Final = 10
MIRROR_STEPS: Final = (3.0, 10.0, 30.0)

Floats = npt.NDArray[np.float64]
Costs = npt.NDArray[np.int64]


class Day(msgspec.Struct, frozen=True):
    """One day's n tasks: hours since midnight, and per model (n, m) quality, predicted cost, bill and exposure."""

    start: datetime
    hours: Floats
    quality: Floats
    predicted: Costs
    billed: Costs
    exposure: Costs

    @property
    def bill_ratio(self) -> float:
        """Bills over predictions, of all models and tasks."""
        return float(self.billed.sum() / max(self.predicted.sum(), 1))


class Result(msgspec.Struct, frozen=True):
    """What one day came to: summed quality, the bounds on it (see `bound`), money spent, tasks refused."""

    quality: float
    bound: float
    clairvoyant: float
    spent: int
    refused: int
    tasks: int


Chooser = Callable[[Day], Iterator[tuple[float, float]]]


class Weather(msgspec.Struct, frozen=True):
    """How far traffic strays from its week: relative spread of days and of hours, and bursts.

    A burst falls into one hour of a `burst_days` share of days and adds up to `burst_size` of a mean day's tasks.
    """

    day_spread: float
    hour_spread: float
    burst_days: float
    burst_size: float


WEATHERS: Final = {"usual": Weather(0.2, 0.35, 0.2, 0.5), "rough": Weather(0.3, 0.5, 0.3, 0.8)}


def month(rng: np.random.Generator, days: int, tasks_per_day: float, weather: Weather) -> Iterator[Day]:
    """Yield days of traffic: a working-hours pattern, quiet weekends, swings from day to day, and bursts."""
    hour = np.arange(24)
    shape = 0.15 + np.exp(-(((hour - 10) / 2.5) ** 2)) + 0.9 * np.exp(-(((hour - 15) / 2.5) ** 2))
    for number in range(days):
        weekend = 0.25 if number % 7 >= 5 else 1.2
        level = weekend * _swing(rng, weather.day_spread, 1)[0]
        rates = tasks_per_day * level * shape / shape.sum() * _swing(rng, weather.hour_spread, 24)
        if rng.random() < weather.burst_days:
            rates[rng.integers(24)] += tasks_per_day * weather.burst_size * rng.uniform(0.2, 1)
        counts = rng.poisson(rates)
        hours = np.sort(np.repeat(hour, counts) + rng.random(counts.sum()))
        yield _tasks(rng, START + timedelta(days=number), hours)


def _swing(rng: np.random.Generator, spread: float, n: int) -> Floats:
    """Return n factors of mean 1 and this standard deviation."""
    return rng.gamma(spread**-2, spread**2, n)


def _tasks(rng: np.random.Generator, start: datetime, hours: Floats) -> Day:
    cards = load_fleet("default").cards
    prices = [card.price for card in cards]
    dearness = np.log([price.output_nanousd_per_mtok for price in prices])
    ability = 1.2 * (dearness - dearness.mean()) / dearness.std() + np.linspace(0.4, -0.4, len(cards))
    n = len(hours)
    # Afternoons bring harder tasks, so that costs at one price of money drift over the day.
    difficulty = rng.normal(-0.8 + 0.4 * np.sin((hours - 9) / 24 * 2 * math.pi), 1.3)
    slope = rng.lognormal(0.2, 0.3, n)
    noise = rng.normal(0, 0.35, (n, len(cards)))
    quality = 1 / (1 + np.exp(-slope[:, np.newaxis] * (ability - difficulty[:, np.newaxis] + noise)))
    tokens_in = np.maximum(rng.lognormal(6.2, 1.2, n), 8).astype(int)
    # Predictions know half of what makes answers long, and are 15 % too low; the rest is the task's and the model's.
    foreseen = rng.lognormal(5.6, 0.7, n)
    surprise = rng.lognormal(0.16, 0.6, n)[:, np.newaxis] * rng.lognormal(0, 0.2, (n, len(cards)))
    length = np.clip(foreseen[:, np.newaxis] * surprise, 1, MOST_OUTPUT).astype(int)

    def bills(outputs: npt.NDArray[np.int64]) -> Costs:
        rates = np.array([(price.input_nanousd_per_mtok, price.output_nanousd_per_mtok) for price in prices])
        bill: Costs = -(-(tokens_in[:, np.newaxis] * rates[:, 0] + outputs * rates[:, 1]) // 1_000_000)
        return bill

    predicted = bills(np.repeat(np.minimum(foreseen * 1.2, MOST_OUTPUT).astype(int)[:, np.newaxis], len(cards), axis=1))
    return Day(start, hours, quality, predicted, bills(length), bills(np.full_like(length, MOST_OUTPUT)))


def bound(day: Day, cost: Floats) -> float:
    """Return the most quality that any choice within the limit reaches at these costs, from the Lagrangian dual."""

    def dual(price: float) -> float:
        return float((day.quality - price * cost / NANO).max(axis=1).sum() + price * LIMIT_NANOUSD / NANO)

    low, high = -2.0, 7.0  # log10 of λ; the dual is convex in λ, hence unimodal here
    for _ in range(60):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if dual(10**left) <= dual(10**right) else (left, high)
    return min(dual(10**low), dual(0.0))


def spend(day: Day, price_of: Callable[[int, int, int], float], settled: Callable[[int, int, int], None]) -> Result:
    """Return what comes of choosing at `price_of(row, spent, seen)` under a limit that no hold may pass."""
    spent = refused = 0
    total = 0.0
    for row in range(len(day.hours)):
        price = price_of(row, spent, row)
        merit = day.quality[row] - min(price, 1e12) * day.predicted[row] / NANO
        fits = day.exposure[row] <= LIMIT_NANOUSD - spent
        if not fits.any():
            refused += 1
            continue
        model = int(np.where(fits, merit, -np.inf).argmax())
        total += day.quality[row, model]
        spent += int(day.billed[row, model])
        settled(row, int(day.predicted[row, model]), int(day.billed[row, model]))
    return Result(
        total, bound(day, day.predicted * day.bill_ratio), bound(day, day.billed * 1.0), spent, refused, len(day.hours)
    )


def naive(days: list[Day]) -> list[Result]:
    """Spend at the dial until nothing fits."""
    return [spend(day, lambda *_: 1 / TRADE_USD, lambda *_: None) for day in days]


def uniform(days: list[Day]) -> list[Result]:
    """One price of money for all days: the one at which the month, known in hindsight, costs its budget."""
    cost = []
    for price in pacing.LAMBDAS:
        rows = [
            (day.billed, (day.quality - price * day.predicted / NANO).argmax(axis=1)) for day in days if len(day.hours)
        ]
        cost.append(sum(int(np.take_along_axis(bill, pick[:, np.newaxis], axis=1).sum()) for bill, pick in rows))
    price = float(pacing.LAMBDAS[int(np.argmax(np.array(cost) <= LIMIT_NANOUSD * len(days)))])
    return [spend(day, lambda *_: price, lambda *_: None) for day in days]


def mirror(days: list[Day]) -> list[Result]:
    """Mirror descent at the step size that is best in hindsight."""
    return max((descend(days, step) for step in MIRROR_STEPS), key=lambda results: sum(day.quality for day in results))


def descend(days: list[Day], step: float) -> list[Result]:
    """Mirror descent on the multiplier, one step a task, against an even spend per expected task of the day."""
    log_price = math.log(1 / TRADE_USD)
    results: list[Result] = []
    history: list[HourTotal] = []
    for day in days:
        profile = fit_profile(history, day.start)
        due = max(profile.between(day.start, day.start + timedelta(days=1)), 200.0)

        def settled(row: int, predicted: int, billed: int, due: float = due) -> None:
            nonlocal log_price
            log_price += step * (billed / LIMIT_NANOUSD - 1 / due)
            log_price = max(log_price, math.log(1 / TRADE_USD))

        results.append(spend(day, lambda *_: math.exp(log_price), settled))
        history += _hourly(day)
    return results


def paced(days: list[Day]) -> list[Result]:
    """Pointsman's pacer, starting without any history."""
    state, arrivals = pacing.PacerState(), Arrivals()
    results: list[Result] = []
    history: list[HourTotal] = []
    for day in days:
        profile: Profile = fit_profile(history, day.start) if history else FLAT
        end = day.start + timedelta(days=1)

        def price_of(
            row: int, spent: int, seen: int, day: Day = day, profile: Profile = profile, end: datetime = end
        ) -> float:
            nonlocal state, arrivals
            now = day.start + timedelta(hours=float(day.hours[row]))
            arrivals = arrivals.after(1, now)
            expected = to_come(profile, arrivals, seen, start=day.start, now=now, end=end)
            purse = pacing.Purse(LIMIT_NANOUSD, LIMIT_NANOUSD - spent, expected)
            chosen = pacing.pace(state, purse, TRADE_USD)
            if (row + 1) % OBSERVED_AT_ONCE == 0:
                latest = slice(row + 1 - OBSERVED_AT_ONCE, row + 1)
                state = pacing.observe(state, day.quality[latest], day.predicted[latest])
            return math.inf if chosen.is_hard else 1 / chosen.trade_usd

        def settled(row: int, predicted: int, billed: int) -> None:
            nonlocal state
            state = pacing.settle(state, predicted, billed)

        results.append(spend(day, price_of, settled))
        history += _hourly(day)
    return results


def _hourly(day: Day) -> list[HourTotal]:
    first = int(epoch_hours(day.start))
    return [
        HourTotal(first + hour, float(n)) for hour, n in enumerate(np.bincount(day.hours.astype(int), minlength=24))
    ]


WAYS: Final[dict[str, Callable[[list[Day]], list[Result]]]] = {
    "spend until empty": naive,
    "one price, known in hindsight": uniform,
    "mirror descent": mirror,
    "paced": paced,
}


def measure(
    traffic: list[Day],
    ways: tuple[str, ...] = ("spend until empty", "one price, known in hindsight", "mirror descent", "paced"),
) -> dict[str, dict[str, Any]]:
    """Return per way: quality lost against both bounds, tasks refused, days overspent, share of the limits spent."""
    report = {}
    for name in ways:
        results = WAYS[name](traffic)
        report[name] = {
            "lost": 1 - sum(day.quality for day in results) / sum(day.bound for day in results),
            "lost_to_clairvoyant": 1 - sum(day.quality for day in results) / sum(day.clairvoyant for day in results),
            "refused": sum(day.refused for day in results) / sum(day.tasks for day in results),
            "days_overspent": sum(day.spent > LIMIT_NANOUSD for day in results),
            "spent": sum(day.spent for day in results) / LIMIT_NANOUSD / len(traffic),
        }
    return report


def main() -> None:
    """Measure three months at two volumes in two weathers, print, and save under out/bench/."""
    rows = []
    for weather in WEATHERS:
        for volume in (1_000.0, 3_000.0):
            for seed in range(3):
                traffic = list(month(np.random.default_rng(seed), 30, volume, WEATHERS[weather]))
                rows += [
                    {"weather": weather, "tasks_per_day": volume, "seed": seed, "way": way, **result}
                    for way, result in measure(traffic).items()
                ]
    path = ROOT / "out" / "bench" / "pacing.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1) + "\n")
    _print(rows)
    print(f"saved as {path.relative_to(ROOT)}")


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table(
        "weather", "tasks a day", "way", "quality lost", "to a clairvoyant", "refused", "days overspent", "spent"
    )
    groups: dict[tuple[str, float, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["weather"], row["tasks_per_day"], row["way"]), []).append(row)
    for (weather, volume, way), group in groups.items():
        mean = {key: sum(row[key] for row in group) / len(group) for key in ("lost_to_clairvoyant", "refused", "spent")}
        lost = [row["lost"] for row in group]
        table.add_row(
            weather, f"{volume:,.0f}", way, f"{sum(lost) / len(lost):.2%} (worst month {max(lost):.2%})",
            f"{mean['lost_to_clairvoyant']:.2%}", f"{mean['refused']:.2%}",
            str(sum(row["days_overspent"] for row in group)), f"{mean['spent']:.0%}",
        )  # fmt: skip
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
