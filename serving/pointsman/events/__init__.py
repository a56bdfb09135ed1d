"""The log's words: one event a request. Pure."""

from pointsman.events.words import Attempt, AttemptEnd, CacheUse, Event, Purpose

__all__ = ["Attempt", "AttemptEnd", "CacheUse", "Event", "Purpose"]
