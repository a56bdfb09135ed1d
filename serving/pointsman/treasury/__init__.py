"""Budgets at work: rules, ledger, pacing and clock behind one object that a router asks to hold money."""

from pointsman.treasury.asking import Ask, Choice, Holding
from pointsman.treasury.opening import open_treasury
from pointsman.treasury.settling import Settlement
from pointsman.treasury.standing import Standing
from pointsman.treasury.treasury import Treasury
from pointsman.treasury.watching import Watch

__all__ = ["Ask", "Choice", "Holding", "Settlement", "Standing", "Treasury", "Watch", "open_treasury"]
