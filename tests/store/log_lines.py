"""What the tests of the figures log, and the laws' random logs."""

import msgspec
from hypothesis import strategies as st
from ledgers import NOON

from pointsman.budget.books import microseconds
from pointsman.events import Event

NOON_US = microseconds(NOON)
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


def line(number, hours_ago=1.0, **fields):
    at_us = NOON_US - int(hours_ago * HOUR_US)
    fields = {"decision_id": f"d-{number}", "kind": "chat", "model": "mini", "at_us": at_us} | fields
    return Event(**fields)


NAMES = st.none() | st.sampled_from(["a", "b", "=c", "d e"])
MONEY = st.integers(0, 10**12)
EVENTS = st.builds(
    Event,
    decision_id=st.just(""),
    at_us=st.integers(NOON_US - 20 * DAY_US, NOON_US - 1),
    kind=st.sampled_from(["chat", "execute", "route", "evaluate"]),
    key=NAMES,
    tags=st.fixed_dictionaries({}, optional={name: st.sampled_from(["x", "y"]) for name in ("user", "team", "agent")}),
    task_type=NAMES,
    complexity=NAMES,
    model=NAMES,
    strategy=NAMES,
    is_routed=st.booleans(),
    status=st.sampled_from([200, 200, 200, 402, 502]),
    cache=st.sampled_from(["off", "miss", "exact", "semantic"]),
    cost_nanousd=MONEY,
    baseline=st.sampled_from(["gpt-4o", "opus"]),
    baseline_nanousd=st.none() | MONEY,
    input_tokens=st.integers(0, 10**6),
    output_tokens=st.integers(0, 10**6),
    latency_ms=st.none() | st.floats(0, 1e6),
    confidence=st.none() | st.floats(0, 1),
    escalated_from=NAMES,
)
LOGS = st.lists(EVENTS, max_size=25)


def logged(log, tenant, events):
    """Add the events as the tenant's, each with an id of its own, and return them when they are written."""
    own = [
        msgspec.structs.replace(event, tenant=tenant, decision_id=f"{tenant}-{number}")
        for number, event in enumerate(events)
    ]
    for event in own:
        log.add(event)
    log.flush()
    return own
