"""What the short instructions changed, read off the log."""

import numpy as np
import pytest
from log_lines import line, logged

from pointsman.errors import InvalidInput
from pointsman.insight import conciseness, period
from pointsman.outcomes import Outcome
from pointsman.store import open_ledger, open_log


def asked(number, version, unit, tokens, **fields):
    return line(number, instruction=version, conversation=unit, output_tokens=tokens, **fields)


def test_the_answers_of_both_sides_are_compared_and_no_others(log, tenants):
    events = [asked(number, "concise-1", f"c{number}", 100) for number in range(10)]
    events += [asked(100 + number, "none", f"n{number}", 300) for number in range(10)]
    events += [
        line(200, output_tokens=9_000),
        asked(201, "none", "n1", 9_000, cache="exact"),
        asked(202, "none", "n1", 9_000, status=502, error="upstream"),
        asked(203, "concise-0", "c1", 9_000),
    ]
    tenant = next(tenants)
    logged(log, tenant, events)
    found = conciseness(log, period(log, tenant), np.random.default_rng(1))
    assert (found.output_tokens.with_it, found.output_tokens.without) == (100, 300)
    assert found.output_tokens.answers == (10, 10)
    assert (found.output_tokens.low, found.output_tokens.high, found.quality) == (-200, -200, None)


def test_too_few_conversations_say_what_to_do(log, tenants):
    tenant = next(tenants)
    logged(log, tenant, [asked(1, "concise-1", "c", 10)])
    with pytest.raises(InvalidInput, match="0 conversations without the instruction and 1 with it"):
        conciseness(log, period(log, tenant), np.random.default_rng(1))


def test_reported_qualities_are_compared_too(tmp_path):
    url = f"sqlite:///{tmp_path}/pm.db"
    events = [asked(number, "concise-1" if number % 2 else "none", f"u{number}", 50) for number in range(8)]
    with open_log(url) as log, open_ledger(url) as ledger:
        logged(log, "default", events)
        for number, line_ in enumerate(log.events()):
            outcome = Outcome(line_.event.decision_id, quality=0.75 if line_.event.instruction == "none" else 0.5)
            ledger.outcomes.add(outcome.decision_id, f"{number}", outcome.body())
        found = conciseness(log, period(log, "default"), np.random.default_rng(1))
    assert (found.quality.with_it, found.quality.without, found.quality.difference) == (0.5, 0.75, -0.25)
