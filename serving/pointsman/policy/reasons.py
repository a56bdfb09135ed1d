"""A decision's reason, in words a person can check."""

from pointsman.money import format_usd


def reason(
    chosen: tuple[str, float, int],
    strongest: tuple[str, float, int],
    *,
    strategy: str,
    task_words: str,
    is_measured: bool,
    excluded: int,
) -> str:
    """Return why `chosen` won over `strongest`; each is (model, quality, cost in nano-USD)."""
    model, quality, cost = chosen
    rival, rival_quality, rival_cost = strongest
    text = (
        f"{model} is expected to do this {task_words} task well with probability {quality:.2f} for {format_usd(cost)}"
    )
    if model == rival:
        text += ", the best quality on offer"
    elif rival_cost > cost:
        times = f"{rival_cost / cost:.0f}x the price" if cost and rival_cost >= 2 * cost else format_usd(rival_cost)
        text += f"; {rival} would reach {rival_quality:.2f} for {times}"
        text += ", which the gain isn't worth" if strategy == "cost-optimised" else ""
    else:
        text += f"; {rival} would reach {rival_quality:.2f}"
    if not is_measured:
        text += ". Its ability is a prior: no outcomes of this model were learned from"
    if excluded:
        text += f". {excluded} {'model was' if excluded == 1 else 'models were'} not able"
    return text + "."


def escalation_words(model: str, chance: float, threshold: float) -> str:
    """Return the sentence that says which model gave way, and why."""
    return f" Escalated from {model}, whose chance of {chance:.2f} is below {threshold:g}."
