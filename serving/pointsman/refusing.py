"""Why no model can do a task, in words."""

from pointsman.considered import Considered
from pointsman.errors import BudgetTooSmall, NoEligibleModel
from pointsman.fleet_table import FleetTable
from pointsman.money import format_usd
from pointsman.policy import exclusions
from pointsman.types import TASK_TYPES, Task


def refusal(table: FleetTable, task: Task, considered: Considered, row: int) -> NoEligibleModel:
    """Return the error that says what excluded each model, or that none fits the task's own budget."""
    kind = int(considered.types[row])
    excluded = exclusions(
        table.models,
        task.constraints,
        kind,
        TASK_TYPES[kind].replace("_", " "),
        int(considered.input_tokens[row]),
        considered.candidates.quality[row],
    )
    name = f"task {task.id!r}" if task.id else "this task"
    costs = {
        model: int(cost)
        for model, cost in zip(table.models.models, considered.candidates.cost_nanousd[row], strict=True)
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
    return NoEligibleModel(f"No model of fleet {table.fleet.name!r} can do {name}: {reasons}.", field="constraints")
