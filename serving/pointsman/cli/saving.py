"""What was saved against the baseline model, in words."""

from pointsman.money import format_usd


def saving_words(baseline: str | None, cost_nanousd: int, saving_nanousd: int | None) -> str:
    """Return the saving in dollars and in percent of what the baseline would have cost."""
    if saving_nanousd is None:
        return "unknown: the fleet has no baseline model"
    return f"{format_usd(saving_nanousd)} ({saving_percent(cost_nanousd, saving_nanousd)} against {baseline})"


def saving_percent(cost_nanousd: int, saving_nanousd: int) -> str:
    """Return the saving as a share of the baseline's cost, which is cost and saving together."""
    baseline_nanousd = cost_nanousd + saving_nanousd
    return f"{saving_nanousd / baseline_nanousd:.1%}" if baseline_nanousd else "0.0%"
