"""Money is an integer count of nano-USD; floats exist only where a person reads or types dollars."""

import math
from typing import Final

from pointsman.errors import InvalidTask

NANO: Final = 1_000_000_000
MAX_USD: Final = 1_000_000_000


def nanousd(usd: float, field: str = "budget_usd") -> int:
    """Return dollars as nano-USD, rounded half to even.

    Raises:
        InvalidTask: the amount is not a finite number from 0 to `MAX_USD`; `field` is named in the message.
    """
    is_number = isinstance(usd, int | float) and not isinstance(usd, bool)
    if not is_number or (isinstance(usd, float) and not math.isfinite(usd)):
        raise InvalidTask(f"{field} is {usd!r:.80}; expected a finite number of dollars, such as 0.05.", field=field)
    if not 0 <= usd <= MAX_USD:
        shown = usd if abs(usd) < MAX_USD**2 else "a number of very many digits"
        raise InvalidTask(f"{field} is {shown} USD; expected 0 to {MAX_USD:,}.", field=field)
    return round(usd * NANO)


def usd(amount_nanousd: int) -> float:
    """Return nano-USD as dollars, for display."""
    return amount_nanousd / NANO


def format_usd(amount_nanousd: int) -> str:
    """Return nano-USD as text with as many digits as the amount needs: $12.50, $0.0031, $0.00000042."""
    dollars = amount_nanousd / NANO
    if dollars == 0 or abs(dollars) >= 1:
        return f"${dollars:,.2f}"
    decimals = min(9, 1 - math.floor(math.log10(abs(dollars))))
    return f"${dollars:.{max(decimals, 2)}f}"
