"""Runs a decision: calls the model, streams, falls back, judges, settles what it cost."""
