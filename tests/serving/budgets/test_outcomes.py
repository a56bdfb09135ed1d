"""An outcome settles the hold of its decision, once, or is refused with the ledger unchanged."""

import math

import pytest

from pointsman import Constraints, Task
from pointsman.budget import GLOBAL, Amount
from pointsman.errors import HoldConflict, InvalidBill, InvalidInput, UnknownHold
from pointsman.outcomes import Outcome

TEXT = "Write unit tests for the ISO date parser"


@pytest.fixture
def budgeted(paying):
    return paying(daily_usd=10, tiers=False)


@pytest.fixture
def decision(budgeted):
    return budgeted.route(TEXT)


def posted(router):
    usage = router.treasury.ledger.usage(GLOBAL, "day")
    return usage.posted, usage.held


def test_usage_is_billed_at_the_price_of_the_model_that_was_chosen(budgeted):
    price = budgeted.fleet.card("gpt-4o").price
    assert (price.input_nanousd_per_mtok, price.output_nanousd_per_mtok) == (2_500_000_000, 10_000_000_000)
    decision = budgeted.route(Task(TEXT, constraints=Constraints(models=("gpt-4o",))))
    settlement = budgeted.settle(Outcome(decision.decision_id, input_tokens=812, output_tokens=240, quality=0.9))
    assert settlement.billed_nanousd == 812 * 2_500 + 240 * 10_000 == 4_430_000
    assert (settlement.state, settlement.billed_usd, settlement.is_new) == ("settled", 0.00443, True)
    assert posted(budgeted) == (Amount(4_430_000, 812, 240), Amount(0))


def test_a_stated_cost_is_believed_where_it_is_more_than_the_usage(budgeted, decision):
    more = Outcome(decision.decision_id, input_tokens=10, output_tokens=10, cost_usd=0.001)
    assert budgeted.settle(more).billed_nanousd == 1_000_000
    other = budgeted.route(TEXT)
    less = Outcome(other.decision_id, input_tokens=1000, output_tokens=1000, cost_usd=1e-9)
    assert budgeted.settle(less).billed_nanousd > 100_000


def test_a_cost_alone_posts_the_tokens_that_were_held(budgeted, decision):
    hold = budgeted.treasury.ledger.hold(decision.hold_id)
    budgeted.settle(Outcome(decision.decision_id, cost_usd=0.0005))
    assert posted(budgeted)[0] == Amount(500_000, hold.amount.input_tokens, hold.amount.output_tokens)


def test_the_same_report_again_is_answered_as_before(budgeted, decision):
    outcome = Outcome(decision.decision_id, cost_usd=0.0005, quality=0.5, judge="human")
    first, again = budgeted.settle(outcome), budgeted.settle(outcome)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.billed_nanousd == again.billed_nanousd == posted(budgeted)[0].nanousd
    assert budgeted.treasury.ledger.outcomes.bodies(decision.decision_id) == [outcome.body()]


def test_a_quality_that_comes_later_is_kept_beside_the_bill(budgeted, decision):
    budgeted.settle(Outcome(decision.decision_id, cost_usd=0.0005))
    later = budgeted.settle(Outcome(decision.decision_id, quality=0.25, judge="user"))
    assert (later.state, later.billed_nanousd, later.is_new) == ("settled", 500_000, True)
    assert len(budgeted.treasury.ledger.outcomes.bodies(decision.decision_id)) == 2


def test_a_quality_without_a_bill_leaves_the_hold_open(budgeted, decision):
    settlement = budgeted.settle(Outcome(decision.decision_id, quality=1, success=True))
    assert (settlement.state, settlement.billed_nanousd) == ("open", None)


def test_what_was_never_sent_is_released(budgeted, decision):
    settlement = budgeted.settle(Outcome(decision.decision_id, unbilled="not_sent"))
    assert (settlement.state, settlement.billed_nanousd) == ("voided", 0)
    assert posted(budgeted) == (Amount(0), Amount(0))


def test_a_hold_that_nobody_reports_on_is_presumed_and_a_late_bill_corrects_it(budgeted, decision):
    budgeted.treasury.clock.step(minutes=9)
    assert budgeted.treasury.expire() == 0
    budgeted.treasury.clock.step(minutes=2)
    assert budgeted.treasury.expire() == 1
    assert posted(budgeted)[0].nanousd == decision.held_nanousd
    late = budgeted.settle(Outcome(decision.decision_id, cost_usd=0.0005))
    assert (late.state, posted(budgeted)[0].nanousd) == ("corrected", 500_000)


def test_a_settled_hold_makes_room_for_others(paying):
    budgeted = paying(daily_usd=0.004, tiers=False)
    for _ in range(100):
        decision = budgeted.route(TEXT)
        budgeted.settle(Outcome(decision.decision_id, cost_usd=0.00001))
    assert posted(budgeted)[0].nanousd == 1_000_000


@pytest.mark.parametrize(
    ("report", "error", "words"),
    [
        ({"cost_usd": -0.01}, InvalidBill, "cost_usd is -0.01 USD; expected 0 to 1,000,000,000"),
        ({"cost_usd": math.nan}, InvalidBill, "cost_usd is nan"),
        ({"cost_usd": math.inf}, InvalidBill, "cost_usd is inf"),
        ({"cost_usd": 500_000}, InvalidBill, "more than 1000 times what was held"),
        ({"cost_usd": 0}, InvalidBill, "its bill says that nothing was billed"),
        ({"input_tokens": -1, "output_tokens": 1}, InvalidBill, "input_tokens is -1; expected a whole number from 0"),
        ({"input_tokens": 1}, InvalidInput, "output_tokens is None; expected a number of tokens too"),
        ({"cost_usd": 1, "unbilled": "refused"}, InvalidBill, "unbilled says that nothing was billed, beside a bill"),
        ({"unbilled": "timeout"}, InvalidInput, "unbilled is 'timeout'; expected one of not_sent, refused, confirmed"),
        ({"quality": 1.5}, InvalidInput, "quality is 1.5; expected a number from 0 to 1"),
        ({"quality": math.nan}, InvalidInput, "quality is nan"),
        ({"latency_ms": -1}, InvalidInput, "latency_ms is -1"),
        ({"judge": ""}, InvalidInput, "judge is ''; expected 1 to 255 printable characters"),
        ({}, InvalidInput, "the outcome says nothing"),
        ({"decision_id": "another", "cost_usd": 0.1}, UnknownHold, "no decision that held money has the id 'another'"),
        ({"decision_id": "", "cost_usd": 0.1}, InvalidInput, "decision_id is ''"),
    ],
)
def test_an_outcome_that_cannot_be_true_changes_nothing(budgeted, decision, report, error, words):
    before = budgeted.treasury.ledger.entries()
    with pytest.raises(error) as refusal:
        budgeted.settle(Outcome(**{"decision_id": decision.decision_id} | report))
    assert words in refusal.value.message
    assert budgeted.treasury.ledger.entries() == before
    assert budgeted.treasury.ledger.outcomes.bodies(decision.decision_id) == []


def test_another_bill_for_a_settled_or_voided_hold_changes_nothing(budgeted, decision):
    other = budgeted.route(TEXT)
    budgeted.settle(Outcome(decision.decision_id, cost_usd=0.0005))
    budgeted.settle(Outcome(other.decision_id, unbilled="refused"))
    before = budgeted.treasury.ledger.entries()
    for report in (
        Outcome(decision.decision_id, cost_usd=0.0006),
        Outcome(decision.decision_id, unbilled="not_sent"),
        Outcome(other.decision_id, cost_usd=0.0005),
        Outcome(other.decision_id, quality=1.0),
    ):
        with pytest.raises(HoldConflict):
            budgeted.settle(report)
    assert budgeted.treasury.ledger.entries() == before


def test_another_tenants_decision_is_as_unknown_as_none(budgeted, decision, paying):
    foreign = paying(tenant="rival", daily_usd=10, tiers=False)
    before = budgeted.treasury.ledger.entries()
    with pytest.raises(UnknownHold, match="no decision that held money has the id 'default-1'"):
        foreign.settle(Outcome(decision.decision_id, cost_usd=0.0005))
    assert budgeted.treasury.ledger.entries() == before


def test_a_router_without_a_treasury_has_nothing_to_settle(router):
    with pytest.raises(InvalidInput, match="nothing to settle; give the router a treasury"):
        router.settle(Outcome("d", cost_usd=1))
