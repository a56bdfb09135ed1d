"""Escalation and targets as a caller meets them: in the decisions of a router."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman import Constraints, Decision, Policy, Router, Task, load_fleet, plan_spend
from pointsman.errors import InvalidInput, InvalidTask
from pointsman.policy_file import policy_json
from pointsman.promises import DialPoint, Promises
from pointsman.spending import spend_curve
from pointsman.types import Promise

TEXT = "Write unit tests for the ISO date parser"
TEXTS = [
    *("Fix the login bug", "hi", "Prove that every bounded monotone sequence converges", "1+1?"),
    *("Design a multi-region payment ledger with exactly-once semantics", "Rename x to count"),
    *(f"Find all primes p such that p**{n} + {n} is a perfect square, and prove it" for n in range(2, 12)),
    *(f"def f{n}(x):\n    return x + {n}\n\nWhy does f{n}('a') raise?" for n in range(8)),
]
FLEET = """\
name: three
models:
  - {id: small, name: S, price: {input: 1, output: 1}, context_tokens: 9000, max_output_tokens: 900, latency_ms: 3,
     availability: 1}
  - {id: medium, name: M, price: {input: 4, output: 4}, context_tokens: 9000, max_output_tokens: 900, latency_ms: 3,
     availability: 1}
  - {id: large, name: L, price: {input: 20, output: 20}, context_tokens: 9000, max_output_tokens: 900, latency_ms: 3,
     availability: 1, capabilities: [tools]}
"""
QUALITY = {"small": 0.5, "medium": 0.75, "large": 0.95}
COST = {"small": 110_000, "medium": 440_000, "large": 2_200_000}
PRICES = {"small": (10**9, 10**9), "medium": (4 * 10**9, 4 * 10**9), "large": (2 * 10**10, 2 * 10**10)}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    path = tmp_path_factory.mktemp("fleet") / "three.yaml"
    path.write_text(FLEET, encoding="utf-8")
    return load_fleet(path)


@pytest.fixture(scope="module")
def bundle(router):
    """The real bundle with abilities that don't depend on the text, and a calibrated curve of three dials."""
    real = router.bundle.manifest
    flat = msgspec.structs.replace(
        next(iter(real.abilities.values())),
        fast_vector=(0.0,) * real.layout.demand,
        deep_vector=(0.0,) * real.layout.demand,
        length_vector=(0.0,) * real.layout.length,
        length_bias=math.log(99.5),
    )
    logits = {name: math.log(quality / (1 - quality)) for name, quality in QUALITY.items()}
    abilities = {
        name: msgspec.structs.replace(flat, fast_bias=logit, deep_bias=logit) for name, logit in logits.items()
    }
    curve = (
        DialPoint(1e-6, 0.5, 110_000, 0.47),
        DialPoint(0.002, 0.75, 440_000, 0.72),
        DialPoint(0.1, 0.95, 2_200_000, 0.92),
    )
    promise = Promises(
        confidence=0.95,
        fleet=PRICES,
        curves={"fast": curve, "auto": curve},
        source="school",
        evidence="cross-fitted",
        prompts=500,
        groups=400,
        novelty_ceiling=1.0,
        novelty_quantiles=tuple(np.linspace(0, 1, 101).tolist()),
    )
    manifest = msgspec.structs.replace(real, abilities=abilities, trade_usd=1e-6, deep_margin=0.0, promise=promise)
    return msgspec.structs.replace(router.bundle, manifest=manifest)


@pytest.fixture(scope="module")
def routed(bundle, fleet):
    def route(task=TEXT, **policy):
        return Router(bundle, fleet, profile="fast", policy=Policy(**policy)).route(task)

    return route


def test_a_doubtful_choice_escalates_and_says_from_where(routed):
    decision = routed()
    assert (decision.model, decision.fallbacks, decision.escalated_from) == ("medium", ("small", "large"), "small")
    assert (decision.confidence, decision.cost_nanousd) == (pytest.approx(0.75, abs=1e-6), COST["medium"])
    assert decision.reason.endswith(" Escalated from small, whose chance of 0.50 is below 0.7.")
    assert decision.to_dict()["escalated_from"] == "small"


@pytest.mark.parametrize(
    ("policy", "model", "origin"),
    [
        ({"confidence": None}, "small", None),
        ({"confidence": 0.5}, "small", None),
        ({"confidence": 0.9}, "large", "small"),
        ({"confidence": 0.99}, "small", None),
        ({"strategy": "quality-first", "confidence": 0.99}, "large", None),
        ({"strategy": "weighted", "confidence": 0.9}, "large", "medium"),
        ({"trade_usd": 1000.0, "confidence": 0.7}, "large", None),
    ],
    ids=["off", "reached", "to-the-largest", "none-reaches", "nothing-better", "weighted", "chosen-already"],
)
def test_the_policys_confidence_decides_who_gives_way(routed, policy, model, origin):
    decision = routed(**policy)
    if policy.get("strategy") == "weighted":
        origin = routed(strategy="weighted", confidence=None).model
    assert (decision.model, decision.escalated_from) == (model, origin)


def test_escalation_never_goes_beyond_the_budget_or_the_constraints(routed):
    tight = Task(TEXT, budget_usd=0.0004)
    assert (routed(tight).model, routed(tight).escalated_from) == ("small", None)
    assert routed(Task(TEXT, constraints=Constraints(exclude=("medium",)))).model == "large"
    only = Constraints(models=("small",))
    assert routed(Task(TEXT, constraints=only)).escalated_from is None


@pytest.mark.parametrize(
    ("target", "model"), [(0.4, "small"), (0.47, "small"), (0.5, "medium"), (0.72, "medium"), (0.9, "large")]
)
def test_a_quality_target_takes_the_cheapest_dial_that_promises_it(routed, target, model):
    decision = routed(target_quality=target)
    assert (decision.model, decision.escalated_from) == (model, None)
    assert decision.promise == Promise(target, 0.95, True, None)
    assert decision.to_dict()["promise"] == {"quality": target, "confidence": 0.95, "holds": True, "reason": None}


def test_a_target_that_cannot_be_promised_is_refused_at_construction(routed, bundle, fleet):
    with pytest.raises(InvalidInput, match=r"^target_quality is 0\.93; the most that can be promised .* is 0\.920\."):
        routed(target_quality=0.93)
    with pytest.raises(InvalidInput, match=r"^target_quality needs a calibrated curve of the profile deep, which the "):
        Router(bundle, fleet, profile="deep", policy=Policy(target_quality=0.5))
    bare = msgspec.structs.replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, promise=None))
    with pytest.raises(InvalidInput, match=r"the bundle doesn't have; train the bundle again"):
        Router(bare, fleet, policy=Policy(target_quality=0.5))


def test_the_dial_is_used_but_the_promise_withdrawn_where_something_differs(bundle, fleet, routed):
    smaller = Router(bundle, fleet.subset(["small", "medium"]), policy=Policy(target_quality=0.7)).route(TEXT)
    assert smaller.model == "medium"
    assert smaller.promise == Promise(0.7, 0.95, False, "another fleet than calibrated: without large")
    excluded = routed(Task(TEXT, constraints=Constraints(exclude=("large",))), target_quality=0.7)
    assert excluded.model == "medium"
    assert excluded.promise == Promise(0.7, 0.95, False, "1 of the calibrated models was not able to do this task")
    escalating = routed(target_quality=0.4, confidence=0.7)
    assert (escalating.model, escalating.promise.holds) == ("medium", False)
    ceiling = msgspec.structs.replace(bundle.manifest.promise, novelty_ceiling=0.0)
    novel = routed(target_quality=0.7, promises=ceiling)
    assert novel.promise.holds is False
    assert novel.promise.reason.endswith("is above 0.000: of another kind than the calibration data")


def test_a_policy_file_carries_its_own_calibration(bundle, fleet, tmp_path, bundle_dir):
    other = msgspec.structs.replace(bundle.manifest.promise, bundle="0123456789abcdef")
    path = tmp_path / "policy.json"
    path.write_bytes(policy_json(Policy(target_quality=0.7, promises=other)))
    decision = Router.load(bundle_dir, fleet, "fast", policy=path).route(TEXT)
    assert decision.promise.holds is False
    assert decision.promise.reason.startswith("calibrated with bundle 0123456789abcdef, and this is ")
    own = msgspec.structs.replace(other, bundle=bundle.digest)
    assert Router(bundle, fleet, policy=Policy(target_quality=0.7, promises=own)).route(TEXT).promise.holds


def test_many_escalate_and_keep_promises_as_each_alone(router):
    calm = Router(router.bundle, router.fleet, policy=Policy(trade_usd=0.001, confidence=None))
    middle = float(np.median([decision.confidence for decision in calm.route_many(TEXTS)]))
    strict = Router(router.bundle, router.fleet, policy=Policy(trade_usd=0.001, confidence=middle))
    together = strict.route_many(TEXTS)
    assert {decision.escalated_from is None for decision in together} == {True, False}
    for text, decision in zip(TEXTS, together, strict=True):
        alone = strict.route(text)
        assert (alone.model, alone.escalated_from, alone.profile) == (
            decision.model,
            decision.escalated_from,
            decision.profile,
        )


def test_auto_escalates_as_deep_does_wherever_the_margin_covers_the_difference(router):
    wide = msgspec.structs.replace(router.bundle.manifest, deep_margin=2.0)
    bundle = msgspec.structs.replace(router.bundle, manifest=wide)
    auto, deep = (
        Router(bundle, router.fleet, profile=profile, policy=Policy(confidence=0.85)) for profile in ("auto", "deep")
    )
    for one, other in zip(auto.route_many(TEXTS), deep.route_many(TEXTS), strict=True):
        assert (one.model, one.escalated_from, one.profile) == (other.model, other.escalated_from, "deep")


@pytest.fixture(scope="module")
def strictness(router):
    """Routers on a small dial, by their confidence."""
    policies = {level: Policy(trade_usd=0.001, confidence=level) for level in (None, 0.6, 0.8, 0.9)}
    return {
        level: Router(router.bundle, router.fleet, profile="fast", policy=policy) for level, policy in policies.items()
    }


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TEXTS), st.sampled_from([0.6, 0.8, 0.9]), st.floats(0.00003, 0.003))
def test_an_escalated_task_reaches_the_threshold_within_its_budget(strictness, text, confidence, budget):
    task = Task(text, budget_usd=budget)
    decision, before = (strictness[level].try_route_many([task])[0] for level in (confidence, None))
    if not isinstance(decision, Decision):
        assert decision.message == before.message
        return
    assert decision.cost_usd <= budget
    if decision.escalated_from is None:
        assert decision.model == before.model
    else:
        assert decision.escalated_from == before.model
        assert before.confidence < confidence <= decision.confidence


def test_a_spend_plan_keeps_to_the_spend_and_routes_as_expected(router):
    plan = plan_spend(router, TEXTS, usd_per_month=40.0, tasks_per_month=100_000)
    assert plan.expected.cost_nanousd * 100_000 <= 40e9
    assert plan.expected in plan.curve
    planned = Router(router.bundle, router.fleet, policy=plan.policy)
    decisions = planned.route_many(TEXTS)
    assert math.ceil(np.mean([decision.cost_nanousd for decision in decisions])) == plan.expected.cost_nanousd
    assert np.mean([decision.quality for decision in decisions]) == pytest.approx(plan.expected.quality, abs=1e-6)


@pytest.mark.parametrize("profile", ["auto", "fast", "deep"])
def test_a_predicted_curve_is_what_a_router_at_each_dial_does(router, profile):
    one = Router(router.bundle, router.fleet, profile=profile, policy=Policy(confidence=0.8))
    for point in spend_curve(one, TEXTS)[::70]:
        policy = Policy(trade_usd=point.trade_usd, confidence=0.8)
        decisions = Router(router.bundle, router.fleet, profile=profile, policy=policy).route_many(TEXTS)
        assert math.ceil(np.mean([decision.cost_nanousd for decision in decisions])) == point.cost_nanousd


def test_no_traffic_and_too_small_a_spend_are_refused(router):
    with pytest.raises(InvalidTask, match="No tasks were given"):
        plan_spend(router, [], usd_per_month=1.0, tasks_per_month=1)
    with pytest.raises(InvalidInput, match=r"^target_spend is \$0\.010 a month; 100,000 tasks cost at least \$"):
        plan_spend(router, TEXTS, usd_per_month=0.01, tasks_per_month=100_000)
