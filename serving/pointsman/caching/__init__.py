"""Answers that were given before: when a request is the same, or means the same. Pure."""
