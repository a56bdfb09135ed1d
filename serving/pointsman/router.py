"""The composition: Task → Reading → Candidates → hold → Decision."""

import copy
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.considered import Columns, Considered
from pointsman.errors import InvalidInput, InvalidTask, LedgerError, NoEligibleModel, PointsmanError
from pointsman.fleet_table import CHARACTERS_PER_TOKEN, fleet_table
from pointsman.outcomes import Outcome
from pointsman.policy import (
    STRATEGIES,
    Candidates,
    Pledge,
    Policy,
    able_models,
    constant_first,
    escalated,
    is_certain,
    lead,
    lead_of_constant,
    pledge,
    ranking,
    score,
    solve_quality,
)
from pointsman.policy.modes import MODES, Circumstances, mode
from pointsman.policy.strategies import Strategy
from pointsman.policy_file import read_policy
from pointsman.prediction import Bundle, Predictor, read_bundle
from pointsman.prediction.predictor import Depth
from pointsman.promises import Promises
from pointsman.purchases import Purchase, purchases, repaced
from pointsman.refusing import refusal
from pointsman.registry import Fleet, load_fleet
from pointsman.treasury import Settlement, Treasury
from pointsman.treasury.steps import Steps, awaited, done
from pointsman.types import (
    ANYTHING,
    ONE_CALL,
    PROFILES,
    TASK_TYPES,
    Decision,
    Profile,
    Task,
)
from pointsman.verdicts import Verdicts

if TYPE_CHECKING:
    from pointsman.store import StoreLedger

Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
Result = Decision | NoEligibleModel | LedgerError
"""What a task gets: a decision, or why no model can do it, or why no money is left for it."""

_TYPE_INDEX: Final = {name: index for index, name in enumerate(TASK_TYPES)}


class Router:
    """Chooses a model for every task; immutable after construction and safe to share between threads.

    With a `treasury`, the most that the chosen model can cost is held before a decision is given away. Set
    `keeps_features` to have each decision carry what the graph said of the text.
    """

    def __init__(
        self,
        bundle: Bundle,
        fleet: Fleet,
        *,
        profile: Profile = "auto",
        policy: Policy | None = None,
        treasury: Treasury | None = None,
    ) -> None:
        if profile not in PROFILES:
            raise InvalidInput(f"profile is {profile!r}; expected one of {', '.join(PROFILES)}.", field="profile")
        self.bundle = bundle
        self.fleet = fleet
        self.profile = profile
        self.policy = policy or Policy()
        self.treasury = treasury
        self.keeps_features = False
        self.predictor = Predictor(bundle)
        self._table = fleet_table(fleet, bundle.manifest)
        self._trade_usd = self.policy.trade_usd or bundle.manifest.trade_usd
        self._constant = self._place_of_constant()
        self._threshold = self.policy.threshold if self._constant is None else None
        self._pledge: Pledge | None = None
        if self.policy.target_quality is not None:
            self._trade_usd, self._pledge = self._solve(self.policy.target_quality)
        self._verdicts = Verdicts(
            table=self._table,
            bundle=bundle.digest,
            strategy=self.policy.strategy,
            constant=None if self._constant is None else self._table.models.models[self._constant],
            threshold=self._threshold,
            pledge=self._pledge,
        )

    def _solve(self, quality: float) -> tuple[float, Pledge]:
        """Return the dial of a quality target, and what can be pledged of this fleet."""
        promises = self.promises
        if promises is None or self.profile not in promises.curves:
            raise InvalidInput(
                f"target_quality needs a calibrated curve of the profile {self.profile}, which the "
                f"{'bundle' if self.policy.promises is None else 'policy'} doesn't have; train the bundle again, or "
                "calibrate on your outcomes (pointsman target).",
                field="target_quality",
            )
        dial = solve_quality(promises.curves[self.profile], quality).trade_usd
        return dial, pledge(promises, quality, self._table.prices, self.bundle.digest, self._threshold)

    @property
    def promises(self) -> Promises | None:
        """What a quality target is solved on: the policy's calibration, else the bundle's; None without a target."""
        if self.policy.target_quality is None:
            return None
        return self.policy.promises or self.bundle.manifest.promise

    @property
    def trade_usd(self) -> float:
        """The dial in use: the policy's, the one its target was solved to, or the bundle's."""
        return self._trade_usd

    @classmethod
    def load(
        cls,
        bundle: str | os.PathLike[str] | None = None,
        fleet: str | os.PathLike[str] | Fleet = "default",
        profile: Profile = "auto",
        policy: Policy | str | os.PathLike[str] | None = None,
        treasury: Treasury | None = None,
    ) -> "Router":
        """Return a router from a bundle directory (None: the one that comes along) and a fleet (name, file or object).

        `policy` may be the path of a policy file.

        Raises:
            BundleError: the bundle doesn't verify.
            RegistryError: the fleet can't be read.
            InvalidInput: no such profile, a policy file that can't be used, or a target that can't be promised.
        """
        loaded = fleet if isinstance(fleet, Fleet) else load_fleet(fleet)
        chosen = policy if policy is None or isinstance(policy, Policy) else read_policy(policy)
        return cls(read_bundle(bundle), loaded, profile=profile, policy=chosen, treasury=treasury)

    def paid_by(self, treasury: Treasury | None) -> "Router":
        """Return a router that differs only in whose money it holds, None for nobody's; it shares everything else."""
        other = copy.copy(self)
        other.treasury = treasury
        return other

    def with_availability(self, availability: Mapping[str, float]) -> "Router":
        """Return a router that differs only in how available models are, each in [0, 1]; others stay as they were."""
        other = copy.copy(self)
        other._table = self._table.with_availability(availability)
        other._verdicts = msgspec.structs.replace(self._verdicts, table=other._table)
        return other

    def route(self, task: Task | str) -> Decision:
        """Return the decision for one task; a plain text is a task without type or budget.

        Raises:
            InvalidTask: the task can't be used.
            UnknownModel: its constraints name a model that the fleet doesn't have.
            NoEligibleModel: no model of the fleet can do it, or (`BudgetTooSmall`) none within its budget.
            BudgetExceeded, FrozenScope: a limit has no room for any of them (with a treasury).
            LedgerUnavailable: nobody can tell whether there is room, so that nothing may be sent.
        """
        return self.route_many([task])[0]

    def route_many(self, tasks: Sequence[Task | str]) -> list[Decision]:
        """Return the decisions for many tasks in one vectorised pass, each equal to that of `route`.

        Raises:
            InvalidTask, NoEligibleModel, LedgerError: as `route`, for the first task concerned; nothing is held then.
        """
        return done(self._routed(tasks), self._ledger)

    def _routed(self, tasks: Sequence[Task | str]) -> Steps[list[Decision]]:
        results = yield from self._tried(tasks)
        for result in results:
            if not isinstance(result, Decision):
                yield from self._releasing(results)
                raise result
        return [result for result in results if isinstance(result, Decision)]

    def settle(self, outcome: Outcome, *, by_admin: bool = True) -> Settlement:
        """Settle the hold of a decision by what came of it; see `Treasury.settle`.

        Raises:
            InvalidInput: there is no treasury, so that nothing was held.
            UnknownHold, HoldConflict, InvalidBill, Forbidden, LedgerUnavailable: as there.
        """
        if self.treasury is None:
            raise InvalidInput("No budget is kept, so that there is nothing to settle; give the router a treasury.")
        return self.treasury.settle(outcome, self.fleet.card, by_admin=by_admin)

    def try_route_many(self, tasks: Sequence[Task | str]) -> list[Result]:
        """Return for each task its decision, or the error that says why no model can do it or no money is left."""
        return done(self._tried(tasks), self._ledger)

    async def try_route_many_async(self, tasks: Sequence[Task | str]) -> list[Result]:
        """Do as `try_route_many`, without blocking the event loop while money is held."""
        return await awaited(self._tried(tasks), self._ledger)

    def _tried(self, tasks: Sequence[Task | str]) -> Steps[list[Result]]:
        todo = [_as_task(task) for task in tasks]
        self._check_names(todo)
        if self.profile != "auto":
            return (yield from self._decide(todo, self._consider(todo, self.profile)))
        fast = self._consider(todo, "fast")
        is_settled = self._is_settled(todo, fast)
        if is_settled.all():
            return (yield from self._decide(todo, fast))
        doubtful = [task for task, settled in zip(todo, is_settled, strict=True) if not settled]
        deep = yield from self._decide(doubtful, self._consider(doubtful, "deep"))
        try:
            settled = iter((yield from self._decide(todo, fast, is_settled)))
        except PointsmanError:
            yield from self._releasing(deep)
            raise
        rest = iter(deep)
        return [next(settled if row_is_settled else rest) for row_is_settled in is_settled]

    def _releasing(self, results: Sequence[Result]) -> Steps[None]:
        """Let go of what was held for decisions that nobody gets."""
        if self.treasury is not None:
            held = [one.hold_id for one in results if isinstance(one, Decision) and one.hold_id]
            yield from self.treasury.releasing(held)

    @property
    def _ledger(self) -> "StoreLedger | None":
        return None if self.treasury is None else self.treasury.ledger

    def candidates(self, tasks: Sequence[Task | str], depth: Depth) -> Candidates:
        """Return what every model of the fleet would do with each task, read at one depth."""
        todo = [_as_task(task) for task in tasks]
        self._check_names(todo)
        return self._consider(todo, depth).candidates

    def _is_settled(self, tasks: Sequence[Task], fast: Considered) -> Booleans:
        """Return where reading deep can't change the choice.

        There it has a clear lead, no model is lost to a prediction, and whether it escalates is clear too.
        """
        margin = self.bundle.manifest.deep_margin
        gap = lead(fast.utility, fast.candidates)
        if self._constant is not None:
            gap = lead_of_constant(gap, fast.candidates, self._constant)
        leads = gap >= margin
        if self._threshold is not None:
            leads &= is_certain(fast.candidates, fast.utility, self._threshold, margin)
        judged = np.array([task.budget_usd is not None or task.constraints.min_quality is not None for task in tasks])
        settled: Booleans = leads & ~(judged.astype(bool) & ~fast.candidates.is_able.all(axis=1))
        return settled

    def _place_of_constant(self) -> int | None:
        """Return where the bundle's constant stands in the fleet; None if it has none or the policy isn't its own.

        That nothing beat it was measured with the default policy at the bundle's own dial; another is the caller's.
        """
        constant, models = self.bundle.manifest.constant, self._table.models.models
        return models.index(constant) if constant in models and self.policy == Policy() else None

    def _check_names(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            if task.constraints is not ANYTHING:
                for model in (*(task.constraints.models or ()), *task.constraints.exclude):
                    self.fleet.card(model)

    def _consider(self, tasks: Sequence[Task], depth: Depth) -> Considered:
        reading = self.predictor.read([task.description for task in tasks], depth)
        quality = self._table.abilities.quality(reading)
        output_tokens = np.ceil(self._table.abilities.output_tokens(reading)).astype(np.int64)
        types = reading.type.argmax(axis=1)
        for row, task in enumerate(tasks):
            if task.type is not None:
                types[row] = _TYPE_INDEX[task.type]
        input_tokens = np.array([_input_tokens(task) for task in tasks], dtype=np.int64)
        cost_nanousd = self._table.cost_nanousd(input_tokens, output_tokens)
        self._add_what_the_call_costs(tasks, cost_nanousd)
        candidates = Candidates(
            quality=quality,
            cost_nanousd=cost_nanousd,
            output_tokens=output_tokens,
            tokens=input_tokens[:, np.newaxis] + output_tokens,
            is_able=able_models(self._table.models, [t.constraints for t in tasks], types, input_tokens, quality),
        )
        for row, task in enumerate(tasks):
            if (budget := task.budget_nanousd) is not None:
                candidates.is_able[row] &= candidates.cost_nanousd[row] <= budget
        components = score(candidates, self._table.models, self.policy.weights)
        utility = self._strategy(types)(candidates, components, self._trade_usd)
        return Considered(reading, types, input_tokens, candidates, components, utility)

    def _add_what_the_call_costs(self, tasks: Sequence[Task], cost_nanousd: Integers) -> None:
        for row, task in enumerate(tasks):
            if task.call is not ONE_CALL:
                cost_nanousd[row] = self._table.called(task.call, cost_nanousd[row])

    def _strategy(self, types: Integers) -> Strategy:
        name = self.policy.strategy
        if name not in MODES:
            return STRATEGIES[name]
        circumstances = Circumstances(types, self.policy.trade_usd_by_type or {})
        return mode(name, circumstances, STRATEGIES[self.policy.production])

    def _decide(
        self, tasks: Sequence[Task], considered: Considered, wanted: Booleans | None = None
    ) -> Steps[list[Result]]:
        """Return the results of all tasks, or of those `wanted` (n_tasks,)."""
        orders = ranking(considered.utility, considered.candidates)
        if self._constant is not None:
            orders = constant_first(orders, considered.candidates, self._constant)
        origins = self._escalate(considered.candidates, orders)
        able = considered.candidates.is_able.sum(axis=1).tolist()
        bought: dict[int, Purchase | LedgerError] = {}
        if self.treasury is not None:
            rows = [row for row, count in enumerate(able) if count and (wanted is None or wanted[row])]
            considered, words = repaced(self.treasury, considered, orders, rows, self._dial)
            todo = {row: (tasks[row], orders[row, : able[row]].tolist(), words.get(row)) for row in rows}
            bought = yield from purchases(self.treasury, self._table, considered, todo)
        columns = Columns.of(considered, with_features=self.keeps_features)
        return [
            self._bought(task, columns, row, bought[row], origins)
            if row in bought
            else self._verdicts.decision(task, columns, row, orders[row, : able[row]].tolist(), origins.get(row))
            if able[row]
            else refusal(self._table, task, considered, row)
            for row, task in enumerate(tasks)
            if wanted is None or wanted[row]
        ]

    @property
    def _dial(self) -> float | None:
        """The dial that pacing turns further; None where the strategy doesn't weigh cost."""
        named = self.policy.production if self.policy.strategy == "control" else self.policy.strategy
        return None if named in ("quality-first", "weighted") else self._trade_usd

    def _bought(
        self, task: Task, columns: Columns, row: int, purchase: Purchase | LedgerError, origins: dict[int, int]
    ) -> Result:
        if isinstance(purchase, LedgerError):
            return purchase
        origin = origins.get(row) if purchase.degradation is None else None
        return purchase.paid(self._verdicts.decision(task, columns, row, purchase.order, origin))

    def _escalate(self, candidates: Candidates, orders: Integers) -> dict[int, int]:
        """Put the models that tasks escalate to first in `orders`; return who gave way to them, by row."""
        if self._threshold is None:
            return {}
        chosen = orders[:, 0]
        better = escalated(candidates, chosen, self._threshold)
        if better is chosen:
            return {}
        origins = {int(row): int(chosen[row]) for row in np.flatnonzero(better != chosen)}
        for row in origins:
            orders[row] = [better[row], *orders[row][orders[row] != better[row]]]
        return origins


def _as_task(task: object) -> Task:
    if isinstance(task, Task):
        return task
    if isinstance(task, str):
        return Task(task)
    raise InvalidTask(f"A task is {type(task).__name__}; expected a Task or its text.")


def _input_tokens(task: Task) -> int:
    given = task.constraints.input_tokens
    return given if given is not None else max(1, len(task.description) // CHARACTERS_PER_TOKEN)
