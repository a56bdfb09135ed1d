"""What the short instructions changed, on the log's own traffic."""

import numpy as np

from pointsman.conversation.concise import VERSION, Effect, Trial, concise_effect
from pointsman.insight.period import Period
from pointsman.outcomes import Outcome
from pointsman.store.events import EventLog, Line

_COMPARED = (VERSION, "none")


def conciseness(log: EventLog, span: Period, rng: np.random.Generator) -> Effect:
    """Return what the present instructions did to length and reported quality, against those left without.

    Raises:
        InvalidInput: too few conversations on a side.
        LedgerUnavailable: the log can't be read.
    """
    pages = log.pages(span.tenant, since=span.since, until=span.until)
    return concise_effect([_trial(line) for page in pages for line in page if _is_compared(line)], rng)


def _is_compared(line: Line) -> bool:
    event = line.event
    is_bought = event.cache in ("off", "miss") and event.error is None
    return is_bought and event.instruction in _COMPARED and event.conversation is not None


def _trial(line: Line) -> Trial:
    event = line.event
    judged = [outcome.quality for outcome in map(Outcome.from_body, line.outcomes) if outcome.quality is not None]
    quality = float(np.mean(judged)) if judged else None
    return Trial(event.conversation or "", event.instruction == VERSION, event.output_tokens, quality)
