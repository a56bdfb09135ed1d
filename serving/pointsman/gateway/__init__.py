"""Runs a decision: calls the model, streams, falls back, judges, settles what it cost."""

from pointsman.gateway.engine import Answered, Engine
from pointsman.gateway.evaluating import Evaluated, Evaluation
from pointsman.gateway.executor import Executor
from pointsman.gateway.parts import Parts
from pointsman.gateway.streaming import Streamed, stream
from pointsman.gateway.tasks import Executed, Work

__all__ = [
    "Answered",
    "Engine",
    "Evaluated",
    "Evaluation",
    "Executed",
    "Executor",
    "Parts",
    "Streamed",
    "Work",
    "stream",
]
