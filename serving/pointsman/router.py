"""The composition: Task → Reading → Candidates → Decision."""

import math
import os
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.errors import BudgetTooSmall, InvalidInput, InvalidTask, NoEligibleModel
from pointsman.fleet_table import CHARACTERS_PER_TOKEN, FleetTable, fleet_table
from pointsman.money import format_usd
from pointsman.policy import (
    STRATEGIES,
    Candidates,
    Components,
    Weights,
    able_models,
    constant_first,
    constant_words,
    exclusions,
    lead,
    lead_of_constant,
    ranking,
    reason,
    score,
)
from pointsman.prediction import Bundle, Predictor, Reading, read_bundle
from pointsman.prediction.predictor import Depth
from pointsman.registry import Fleet, load_fleet
from pointsman.types import (
    ANYTHING,
    COMPLEXITIES,
    PROFILES,
    TASK_TYPES,
    Candidate,
    Complexity,
    Decision,
    Profile,
    Scores,
    Task,
)

Booleans = npt.NDArray[np.bool_]

_LEAST_TRADE_USD: Final = 1e-12

_TYPE_INDEX: Final = {name: index for index, name in enumerate(TASK_TYPES)}


class Policy(msgspec.Struct, frozen=True):
    """How to choose: the strategy, the weights of the weighted score, and the dial.

    `trade_usd` is what quality 1.0 is worth in dollars per task; None takes the bundle's, learned from outcomes.
    """

    strategy: str = "cost-optimised"
    weights: Weights = Weights()
    trade_usd: float | None = None

    def __post_init__(self) -> None:
        """Refuse a strategy that doesn't exist and a dial that isn't positive.

        Raises:
            InvalidInput: one of these.
        """
        if self.strategy not in STRATEGIES:
            raise InvalidInput(
                f"strategy is {self.strategy!r}; expected one of {', '.join(STRATEGIES)}.", field="strategy"
            )
        dial = self.trade_usd
        is_number = isinstance(dial, int | float) and not isinstance(dial, bool)
        if dial is not None and not (is_number and _LEAST_TRADE_USD <= dial < math.inf):
            raise InvalidInput(
                f"trade_usd is {dial!r:.80}; expected a number of dollars, at least {_LEAST_TRADE_USD:g}.",
                field="trade_usd",
            )


class Router:
    """Chooses a model for every task; immutable after construction and safe to share between threads."""

    def __init__(
        self, bundle: Bundle, fleet: Fleet, *, profile: Profile = "auto", policy: Policy | None = None
    ) -> None:
        if profile not in PROFILES:
            raise InvalidInput(f"profile is {profile!r}; expected one of {', '.join(PROFILES)}.", field="profile")
        self.bundle = bundle
        self.fleet = fleet
        self.profile = profile
        self.policy = policy or Policy()
        self.predictor = Predictor(bundle)
        self._table = fleet_table(fleet, bundle.manifest)
        self._trade_usd = self.policy.trade_usd or bundle.manifest.trade_usd
        self._constant = self._place_of_constant()
        self._baseline = self._table.models.models.index(fleet.baseline) if fleet.baseline else None

    @classmethod
    def load(
        cls,
        bundle: str | os.PathLike[str] | None = None,
        fleet: str | os.PathLike[str] | Fleet = "default",
        profile: Profile = "auto",
        policy: Policy | None = None,
    ) -> "Router":
        """Return a router from a bundle directory (None: the one that comes along) and a fleet (name, file or object).

        Raises:
            BundleError: the bundle doesn't verify.
            RegistryError: the fleet can't be read.
            InvalidInput: no such profile.
        """
        loaded = fleet if isinstance(fleet, Fleet) else load_fleet(fleet)
        return cls(read_bundle(bundle), loaded, profile=profile, policy=policy)

    def route(self, task: Task | str) -> Decision:
        """Return the decision for one task; a plain text is a task without type or budget.

        Raises:
            InvalidTask: the task can't be used.
            UnknownModel: its constraints name a model that the fleet doesn't have.
            NoEligibleModel: no model of the fleet can do it, or (`BudgetTooSmall`) none within its budget.
        """
        result = self.try_route_many([task])[0]
        if isinstance(result, NoEligibleModel):
            raise result
        return result

    def route_many(self, tasks: Sequence[Task | str]) -> list[Decision]:
        """Return the decisions for many tasks in one vectorised pass, each equal to that of `route`.

        Raises:
            InvalidTask, NoEligibleModel: as `route`, for the first task concerned.
        """
        decisions = []
        for result in self.try_route_many(tasks):
            if isinstance(result, NoEligibleModel):
                raise result
            decisions.append(result)
        return decisions

    def try_route_many(self, tasks: Sequence[Task | str]) -> list[Decision | NoEligibleModel]:
        """Return for each task its decision, or the error that says why no model can do it."""
        todo = [_as_task(task) for task in tasks]
        self._check_names(todo)
        if self.profile != "auto":
            return self._decide(todo, self._consider(todo, self.profile))
        fast = self._consider(todo, "fast")
        is_settled = self._is_settled(todo, fast)
        if is_settled.all():
            return self._decide(todo, fast)
        doubtful = [task for task, settled in zip(todo, is_settled, strict=True) if not settled]
        deep = iter(self._decide(doubtful, self._consider(doubtful, "deep")))
        settled = iter(self._decide(todo, fast, is_settled))
        return [next(settled if row_is_settled else deep) for row_is_settled in is_settled]

    def _is_settled(self, tasks: Sequence[Task], fast: "_Considered") -> Booleans:
        """Return where reading deep can't change the choice: a clear lead, and no model lost to a prediction."""
        gap = lead(fast.utility, fast.candidates)
        if self._constant is not None:
            gap = lead_of_constant(gap, fast.candidates, self._constant)
        leads = gap >= self.bundle.manifest.deep_margin
        judged = np.array([task.budget_usd is not None or task.constraints.min_quality is not None for task in tasks])
        settled: Booleans = leads & ~(judged.astype(bool) & ~fast.candidates.is_able.all(axis=1))
        return settled

    def _place_of_constant(self) -> int | None:
        """Return where the bundle's constant stands in the fleet; None if it has none or the policy isn't its own.

        That nothing beat it was measured with the default strategy at the bundle's own dial; another is the caller's.
        """
        constant, models = self.bundle.manifest.constant, self._table.models.models
        is_default = self.policy.strategy == Policy().strategy and self.policy.trade_usd is None
        return models.index(constant) if constant in models and is_default else None

    def _check_names(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            if task.constraints is not ANYTHING:
                for model in (*(task.constraints.models or ()), *task.constraints.exclude):
                    self.fleet.card(model)

    def _consider(self, tasks: Sequence[Task], depth: Depth) -> "_Considered":
        reading = self.predictor.read([task.description for task in tasks], depth)
        quality = self._table.abilities.quality(reading)
        output_tokens = np.ceil(self._table.abilities.output_tokens(reading)).astype(np.int64)
        types = reading.type.argmax(axis=1)
        for row, task in enumerate(tasks):
            if task.type is not None:
                types[row] = _TYPE_INDEX[task.type]
        input_tokens = np.array([_input_tokens(task) for task in tasks], dtype=np.int64)
        candidates = Candidates(
            quality=quality,
            cost_nanousd=self._table.cost_nanousd(input_tokens, output_tokens),
            output_tokens=output_tokens,
            tokens=input_tokens[:, np.newaxis] + output_tokens,
            is_able=able_models(self._table.models, [t.constraints for t in tasks], types, input_tokens, quality),
        )
        for row, task in enumerate(tasks):
            if (budget := task.budget_nanousd) is not None:
                candidates.is_able[row] &= candidates.cost_nanousd[row] <= budget
        components = score(candidates, self._table.models, self.policy.weights)
        utility = STRATEGIES[self.policy.strategy](candidates, components, self._trade_usd)
        return _Considered(reading, types, input_tokens, candidates, components, utility)

    def _decide(
        self, tasks: Sequence[Task], considered: "_Considered", wanted: Booleans | None = None
    ) -> list[Decision | NoEligibleModel]:
        """Return the results of all tasks, or of those `wanted` (n_tasks,)."""
        orders = ranking(considered.utility, considered.candidates)
        if self._constant is not None:
            orders = constant_first(orders, considered.candidates, self._constant)
        able = considered.candidates.is_able.sum(axis=1).tolist()
        columns = _Columns.of(considered)
        return [
            self._decision(task, considered, columns, row, orders[row, : able[row]].tolist())
            if able[row]
            else self._refusal(task, considered, row)
            for row, task in enumerate(tasks)
            if wanted is None or wanted[row]
        ]

    def _decision(
        self, task: Task, considered: "_Considered", columns: "_Columns", row: int, order: list[int]
    ) -> Decision:
        candidates = columns.candidates(row, order, self._table)
        chosen = candidates[0]
        strongest = max(candidates, key=lambda candidate: candidate.quality)
        probabilities = dict(zip(COMPLEXITIES, columns.complexity[row], strict=True))
        complexity = Complexity(max(probabilities, key=probabilities.__getitem__), probabilities)
        kind = TASK_TYPES[columns.types[row]]
        constant = None if self._constant is None else self._table.models.models[self._constant]
        baseline_cost = None if self._baseline is None else columns.cost_nanousd[row][self._baseline]
        return Decision(
            model=chosen.model,
            reason=reason(
                (chosen.model, chosen.quality, chosen.cost_nanousd),
                (strongest.model, strongest.quality, strongest.cost_nanousd),
                strategy="constant" if chosen.model == constant else self.policy.strategy,
                task_words=f"{complexity.label} {kind.replace('_', ' ')}",
                is_measured=chosen.is_measured,
                excluded=len(self.fleet.cards) - len(order),
            )
            + ("" if constant is None else constant_words(constant, chosen.model)),
            fallbacks=tuple([candidate.model for candidate in candidates[1:]]),
            complexity=complexity,
            type=kind,
            is_type_predicted=task.type is None,
            quality=chosen.quality,
            confidence=chosen.quality,
            cost_nanousd=chosen.cost_nanousd,
            output_tokens=chosen.output_tokens,
            baseline=self.fleet.baseline,
            saving_nanousd=None if baseline_cost is None else baseline_cost - chosen.cost_nanousd,
            candidates=candidates,
            strategy=self.policy.strategy,
            profile=considered.reading.depth,
            novelty=columns.novelty[row],
            propensity=1.0,
            bundle=self.bundle.digest,
            task_id=task.id,
            tags=task.tags,
        )

    def _refusal(self, task: Task, considered: "_Considered", row: int) -> NoEligibleModel:
        kind = int(considered.types[row])
        excluded = exclusions(
            self._table.models,
            task.constraints,
            kind,
            TASK_TYPES[kind].replace("_", " "),
            int(considered.input_tokens[row]),
            considered.candidates.quality[row],
        )
        name = f"task {task.id!r}" if task.id else "this task"
        costs = {
            model: int(cost)
            for model, cost in zip(self._table.models.models, considered.candidates.cost_nanousd[row], strict=True)
            if model not in excluded
        }
        if costs:
            cheapest = min(costs, key=costs.__getitem__)
            return BudgetTooSmall(
                f"No model can do {name} within {format_usd(task.budget_nanousd or 0)}: the cheapest able, {cheapest}, "
                f"is expected to cost {format_usd(costs[cheapest])}. Raise budget_usd, or leave it out.",
                field="budget_usd",
            )
        reasons = "; ".join(f"{model} {why}" for model, why in excluded.items())
        return NoEligibleModel(f"No model of fleet {self.fleet.name!r} can do {name}: {reasons}.", field="constraints")


class _Considered(msgspec.Struct, frozen=True):
    """n tasks read at one depth, with every candidate's utility."""

    reading: Reading
    types: npt.NDArray[np.int64]
    input_tokens: npt.NDArray[np.int64]
    candidates: Candidates
    components: Components
    utility: npt.NDArray[np.float32]


class _Columns(msgspec.Struct, frozen=True):
    """The arrays of `_Considered` as lists: Python reads numbers out of lists ten times faster than out of arrays."""

    quality: list[list[float]]
    cost_nanousd: list[list[int]]
    output_tokens: list[list[int]]
    cost_score: list[list[float]]
    weighted_score: list[list[float]]
    utility: list[list[float]]
    complexity: list[list[float]]
    types: list[int]
    novelty: list[float]

    @classmethod
    def of(cls, considered: _Considered) -> "_Columns":
        return cls(
            quality=considered.candidates.quality.tolist(),
            cost_nanousd=considered.candidates.cost_nanousd.tolist(),
            output_tokens=considered.candidates.output_tokens.tolist(),
            cost_score=considered.components.cost.tolist(),
            weighted_score=considered.components.total.tolist(),
            utility=considered.utility.tolist(),
            complexity=considered.reading.complexity.tolist(),
            types=considered.types.tolist(),
            novelty=considered.reading.novelty.tolist(),
        )

    def candidates(self, row: int, order: list[int], table: FleetTable) -> tuple[Candidate, ...]:
        """Return the candidates of one task in this order; all of them are able, so their capability is 1."""
        quality, cost, tokens = self.quality[row], self.cost_nanousd[row], self.output_tokens[row]
        cheapness, total, utility = self.cost_score[row], self.weighted_score[row], self.utility[row]
        models, is_measured, availability = table.models.models, table.models.is_measured, table.availability
        return tuple(
            [
                Candidate(
                    models[m],
                    quality[m],
                    cost[m],
                    tokens[m],
                    is_measured[m],
                    Scores(1.0, quality[m], availability[m], cheapness[m], total[m]),
                    utility[m],
                )
                for m in order
            ]
        )


def _as_task(task: object) -> Task:
    if isinstance(task, Task):
        return task
    if isinstance(task, str):
        return Task(task)
    raise InvalidTask(f"A task is {type(task).__name__}; expected a Task or its text.")


def _input_tokens(task: Task) -> int:
    given = task.constraints.input_tokens
    return given if given is not None else max(1, len(task.description) // CHARACTERS_PER_TOKEN)
