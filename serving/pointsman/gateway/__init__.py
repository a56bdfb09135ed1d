"""Runs a decision: calls the model, streams, falls back, judges, settles what it cost."""

from pointsman.gateway.executor import Answered, Executor
from pointsman.gateway.parts import Parts
from pointsman.gateway.streaming import Streamed, stream

__all__ = ["Answered", "Executor", "Parts", "Streamed", "stream"]
