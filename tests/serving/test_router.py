import math
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman import Constraints, Decision, Policy, Router, Task, load_fleet
from pointsman.errors import BudgetTooSmall, InvalidInput, InvalidTask, NoEligibleModel, UnknownModel
from pointsman.policy import Weights
from pointsman.types import COMPLEXITIES, TASK_TYPES

FLEET = """\
name: tiny
baseline: large
models:
  - {id: small, name: Small, price: {input: 1, output: 2}, context_tokens: 1000, max_output_tokens: 1000,
     latency_ms: 300, availability: 0.9, task_types: [testing, debugging]}
  - {id: large, name: Large, price: {input: 10, output: 20}, context_tokens: 100000, max_output_tokens: 4000,
     latency_ms: 2000, availability: 1.0, capabilities: [tools, vision]}
  - {id: kin-of-small, name: Kin, price: {input: 2, output: 4}, context_tokens: 1000, max_output_tokens: 1000,
     latency_ms: 400, availability: 0.5, capabilities: [tools], kin: small, kin_shift: 1.0}
"""
LOGITS = {"small": 0.0, "large": 3.0}
TEXT = "Write unit tests for the ISO date parser"
INPUT_TOKENS, OUTPUT_TOKENS = len(TEXT) // 4, 100
COSTS = {
    "small": 1_000 * INPUT_TOKENS + 2_000 * OUTPUT_TOKENS,
    "large": 10_000 * INPUT_TOKENS + 20_000 * OUTPUT_TOKENS,
    "kin-of-small": 2_000 * INPUT_TOKENS + 4_000 * OUTPUT_TOKENS,
}
QUALITIES = {"small": 0.5, "large": 1 / (1 + math.exp(-3)), "kin-of-small": 1 / (1 + math.exp(-1))}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    path = tmp_path_factory.mktemp("fleet") / "tiny.yaml"
    path.write_text(FLEET, encoding="utf-8")
    return load_fleet(path)


@pytest.fixture(scope="module")
def bundle(router):
    """The real bundle with abilities that don't depend on the text, so that every number can be worked by hand."""
    real = router.bundle.manifest
    flat = msgspec.structs.replace(
        next(iter(real.abilities.values())),
        fast_vector=(0.0,) * real.layout.demand,
        deep_vector=(0.0,) * real.layout.demand,
        length_vector=(0.0,) * real.layout.length,
        length_bias=math.log(OUTPUT_TOKENS - 0.5),
    )
    abilities = {
        name: msgspec.structs.replace(flat, fast_bias=logit, deep_bias=logit) for name, logit in LOGITS.items()
    }
    manifest = msgspec.structs.replace(real, abilities=abilities, trade_usd=0.003, deep_margin=0.0)
    return msgspec.structs.replace(router.bundle, manifest=manifest)


@pytest.fixture(scope="module")
def tiny(bundle, fleet):
    return Router(bundle, fleet)


def with_policy(tiny, **policy):
    """Return a router whose policy has these parts and doesn't escalate unless they say so."""
    return Router(tiny.bundle, tiny.fleet, profile="fast", policy=Policy(**{"confidence": None, **policy}))


def test_a_decision_is_whole(tiny):
    task = Task(TEXT, type="test", budget_usd=0.01, tags={"team": "dates"}, id="t-1")
    decision = tiny.route(task)
    reading = tiny.predictor.read([TEXT], "fast")
    probabilities = dict(zip(COMPLEXITIES, reading.complexity[0].tolist(), strict=True))
    label = max(probabilities, key=probabilities.get)
    utilities = {model: QUALITIES[model] - COSTS[model] / 3e6 for model in COSTS}
    ranked = ["kin-of-small", "small", "large"]
    assert sorted(utilities, key=utilities.get, reverse=True) == ranked
    data = msgspec.json.decode(msgspec.json.encode(decision.to_dict()))
    candidates = data.pop("candidates")
    assert data == {
        "model": "kin-of-small",
        "reason": (
            f"kin-of-small is expected to do this {label} testing task well with probability 0.73 for $0.00042; "
            "large would reach 0.95 for 5x the price, which the gain isn't worth. "
            "Its ability is a prior: no outcomes of this model were learned from."
        ),
        "fallbacks": ["small", "large"],
        "complexity": {"label": label, "probabilities": probabilities},
        "type": "testing",
        "is_type_predicted": False,
        "quality": pytest.approx(QUALITIES["kin-of-small"], abs=1e-6),
        "confidence": data["quality"],
        "cost_nanousd": 420_000,
        "cost_usd": 0.00042,
        "output_tokens": 100,
        "baseline": "large",
        "saving_nanousd": 2_100_000 - 420_000,
        "saving_usd": 0.00168,
        "strategy": "cost-optimised",
        "profile": "fast",
        "novelty": float(reading.novelty[0]),
        "propensity": 1.0,
        "bundle": tiny.bundle.digest,
        "task_id": "t-1",
        "tags": {"team": "dates"},
        "escalated_from": None,
        "promise": None,
        "decision_id": None,
        "hold_id": None,
        "held_nanousd": None,
        "max_output_tokens": None,
        "degradation": None,
    }
    assert candidates == [whole_candidate(model, utilities[model]) for model in ranked]


def whole_candidate(model, utility):
    availability = {"small": 0.9, "large": 1.0, "kin-of-small": 0.5}[model]
    per_1k_usd = COSTS[model] / (INPUT_TOKENS + OUTPUT_TOKENS) / 1e6
    cost = max(0, 1 - per_1k_usd / 0.01)
    total = 0.4 + 0.3 * QUALITIES[model] + 0.2 * availability + 0.1 * cost
    return {
        "model": model,
        "quality": pytest.approx(QUALITIES[model], abs=1e-6),
        "cost_nanousd": COSTS[model],
        "output_tokens": OUTPUT_TOKENS,
        "is_measured": model != "kin-of-small",
        "scores": {
            "capability": 1.0,
            "performance": pytest.approx(QUALITIES[model], abs=1e-6),
            "availability": pytest.approx(availability, abs=1e-6),
            "cost": pytest.approx(cost, abs=1e-5),
            "total": pytest.approx(total, abs=1e-5),
        },
        "utility": pytest.approx(utility, abs=1e-5),
    }


def test_a_plain_text_is_a_task_whose_type_is_predicted(tiny):
    decision = tiny.route(TEXT)
    predicted = TASK_TYPES[tiny.predictor.read([TEXT], "fast").type[0].argmax()]
    assert (decision.type, decision.is_type_predicted) == (predicted, True)
    assert (decision.task_id, decision.tags) == (None, {})


def test_a_given_type_filters_the_models_that_do_not_do_it(tiny):
    assert tiny.route(Task(TEXT, type="testing")).fallbacks == ("small", "large")
    decision = tiny.route(Task(TEXT, type="translation"))
    assert (decision.model, decision.fallbacks, decision.is_type_predicted) == ("kin-of-small", ("large",), False)
    assert decision.reason.endswith(" 1 model was not able.")


@pytest.mark.parametrize(
    ("budget_nanousd", "models"),
    [(2_100_000, {"small", "large", "kin-of-small"}), (2_099_999, {"small", "kin-of-small"}), (210_000, {"small"})],
)
def test_a_budget_leaves_the_models_that_are_expected_to_stay_within_it(tiny, budget_nanousd, models):
    decision = tiny.route(Task(TEXT, type="testing", budget_usd=budget_nanousd / 1e9))
    assert {decision.model, *decision.fallbacks} == models
    assert all(candidate.cost_nanousd <= budget_nanousd for candidate in decision.candidates)


@pytest.mark.parametrize("budget", [0, 0.0002])
def test_a_budget_that_nothing_fits_is_refused_with_the_cheapest_able_model(tiny, budget):
    with pytest.raises(BudgetTooSmall) as refusal:
        tiny.route(Task(TEXT, type="testing", budget_usd=budget))
    assert refusal.value.field == "budget_usd"
    assert refusal.value.message == (
        f"No model can do this task within ${'0.00020' if budget else '0.00'}: the cheapest able, small, is expected "
        "to cost $0.00021. Raise budget_usd, or leave it out."
    )


def test_the_cheapest_able_model_is_named_and_not_the_cheapest(tiny):
    task = Task(TEXT, type="translation", budget_usd=0, id="t-9")
    with pytest.raises(
        BudgetTooSmall, match=r"^No model can do task 't-9' within .*: the cheapest able, kin-of-small, is"
    ):
        tiny.route(task)


def test_constraints_that_no_model_meets_are_refused_with_every_models_reason(tiny):
    wanted = Constraints(capabilities=("tools",), exclude=("large",), max_latency_ms=350)
    with pytest.raises(NoEligibleModel) as refusal:
        tiny.route(Task(TEXT, type="testing", budget_usd=0, constraints=wanted, id="t-2"))
    assert type(refusal.value) is NoEligibleModel
    assert refusal.value.field == "constraints"
    assert refusal.value.message == (
        "No model of fleet 'tiny' can do task 't-2': small lacks tools; large is excluded by the caller; "
        "kin-of-small is slower than 350 ms."
    )


@pytest.mark.parametrize(("tokens", "models"), [(999, 3), (1_000, 1), (99_999, 1)])
def test_the_prompts_tokens_override_the_estimate_from_the_text(tiny, tokens, models):
    decision = tiny.route(Task(TEXT, type="testing", constraints=Constraints(input_tokens=tokens)))
    assert len(decision.candidates) == models
    costs = {candidate.model: candidate.cost_nanousd for candidate in decision.candidates}
    assert costs["large"] == 10_000 * tokens + 20_000 * OUTPUT_TOKENS


def test_a_minimum_quality_leaves_the_models_that_reach_it(tiny):
    decision = tiny.route(Task(TEXT, type="testing", constraints=Constraints(min_quality=0.9)))
    assert (decision.model, decision.fallbacks) == ("large", ())


def test_a_choice_dearer_than_the_baseline_saves_less_than_nothing(bundle, fleet):
    other = msgspec.structs.replace(fleet, baseline="small")
    task = Task(TEXT, type="testing", constraints=Constraints(models=("large",)))
    decision = Router(bundle, other).route(task)
    assert (decision.baseline, decision.saving_nanousd) == ("small", 210_000 - 2_100_000)


def test_a_fleet_without_baseline_saves_nothing_known(bundle, fleet):
    decision = Router(bundle, msgspec.structs.replace(fleet, baseline=None)).route(TEXT)
    assert (decision.baseline, decision.saving_nanousd, decision.saving_usd) == (None, None, None)


def test_each_strategy_ranks_by_its_own_utility(tiny):
    task = Task(TEXT, type="testing")
    rankings = {}
    for strategy in ("cost-optimised", "quality-first", "weighted"):
        decision = with_policy(tiny, strategy=strategy).route(task)
        rankings[strategy] = (decision.model, *decision.fallbacks)
        assert decision.strategy == strategy
    assert rankings == {
        "cost-optimised": ("kin-of-small", "small", "large"),
        "quality-first": ("large", "kin-of-small", "small"),
        "weighted": ("large", "small", "kin-of-small"),
    }


def test_weights_of_the_weighted_score_are_the_policys(tiny):
    decision = with_policy(tiny, strategy="weighted", weights=Weights(0, 0, 0, 1)).route(Task(TEXT, type="testing"))
    assert (decision.model, *decision.fallbacks) == ("small", "kin-of-small", "large")
    assert [c.scores.total for c in decision.candidates] == [c.scores.cost for c in decision.candidates]


@pytest.mark.parametrize(("trade_usd", "model"), [(1e-6, "small"), (0.003, "kin-of-small"), (1.0, "large")])
def test_the_policys_dial_overrides_the_bundles(tiny, trade_usd, model):
    assert with_policy(tiny, trade_usd=trade_usd).route(Task(TEXT, type="testing")).model == model


@pytest.mark.parametrize("strategy", ["", "cheapest", "Weighted", None])
def test_an_unknown_strategy_is_refused_with_the_known_ones(strategy):
    with pytest.raises(InvalidInput) as refusal:
        Policy(strategy=strategy)
    known = "cost-optimised, quality-first, weighted, task-type-optimised, dynamic-adaptive, cost-aggressive, control"
    assert refusal.value.message == f"strategy is {strategy!r}; expected one of {known}."
    assert refusal.value.field == "strategy"


@pytest.mark.parametrize("trade_usd", [0, -1, math.nan, math.inf])
def test_a_dial_that_is_not_positive_is_refused(trade_usd):
    with pytest.raises(
        InvalidInput, match=r"^trade_usd is .*; expected a number of dollars, at least 1e-12\.$"
    ) as refusal:
        Policy(trade_usd=trade_usd)
    assert refusal.value.field == "trade_usd"


@pytest.mark.parametrize("trade_usd", ["0.1", True, [1]])
def test_a_dial_that_is_no_number_is_refused(trade_usd):
    with pytest.raises(InvalidInput, match=r"^trade_usd is "):
        Policy(trade_usd=trade_usd)


@pytest.mark.parametrize("profile", ["", "slow", "FAST", None, 1])
def test_an_unknown_profile_is_refused_with_the_known_ones(bundle, fleet, profile):
    with pytest.raises(InvalidInput) as refusal:
        Router(bundle, fleet, profile=profile)
    assert refusal.value.message == f"profile is {profile!r}; expected one of auto, fast, deep."
    assert refusal.value.field == "profile"


@pytest.mark.parametrize("profile", ["fast", "deep"])
def test_a_decision_says_the_profile_that_it_was_asked_to_use(bundle, fleet, profile):
    assert Router(bundle, fleet, profile=profile).route(TEXT).profile == profile


def numbers_aside(decision):
    """Return a decision without its floats, and the floats."""
    data = decision.to_dict()
    floats = [data["quality"], data["novelty"], *data["complexity"]["probabilities"].values()]
    floats += [c[name] for c in data["candidates"] for name in ("quality", "utility")]
    kept = {name: data[name] for name in ("model", "fallbacks", "type", "cost_nanousd", "profile", "task_id", "reason")}
    return kept, floats


def assert_same(one, other):
    (kept, floats), (other_kept, other_floats) = numbers_aside(one), numbers_aside(other)
    assert kept == other_kept
    np.testing.assert_allclose(floats, other_floats, atol=1e-6)


TEXTS = [
    *(
        "Fix the login bug",
        "hi",
        "Prove that every bounded monotone sequence converges",
        "Translate 'good night' to French",
    ),
    *("Design a multi-region payment ledger with exactly-once semantics", "Rename x to count", "1+1?", "🦊"),
    *(f"Summarize chapter {n} of the {'design' if n % 2 else 'legal'} notes in {n} bullet points" for n in range(12)),
    *(f"def f{n}(x):\n    return x + {n}\n\nWhy does f{n}('a') raise?" for n in range(12)),
]


@pytest.fixture(scope="module")
def by_profile(router):
    profiles = ("auto", "fast", "deep")
    routers = {profile: Router(router.bundle, router.fleet, profile=profile) for profile in profiles}
    return {profile: [routers[profile].route(text) for text in TEXTS] for profile in profiles}


def test_auto_is_fast_or_deep_as_its_profile_says(by_profile):
    for auto, fast, deep in zip(*by_profile.values(), strict=True):
        assert_same(auto, {"fast": fast, "deep": deep}[auto.profile])


def test_auto_goes_deep_exactly_where_the_lead_is_within_the_margin(router, by_profile):
    for auto, fast in zip(by_profile["auto"], by_profile["fast"], strict=True):
        best, second = (candidate.utility for candidate in fast.candidates[:2])
        assert (auto.profile == "deep") == (best - second < router.bundle.manifest.deep_margin)


@pytest.mark.parametrize(("margin", "profile"), [(0.0, "fast"), (1e9, "deep")])
def test_the_margin_of_the_bundle_decides_how_often_auto_goes_deep(router, margin, profile):
    manifest = msgspec.structs.replace(router.bundle.manifest, deep_margin=margin)
    other = Router(msgspec.structs.replace(router.bundle, manifest=manifest), router.fleet)
    assert {decision.profile for decision in other.route_many(TEXTS)} == {profile}


def test_auto_stays_fast_where_one_model_only_is_able(router):
    task = Task(TEXT, constraints=Constraints(models=(router.fleet.ids[0],)))
    manifest = msgspec.structs.replace(router.bundle.manifest, deep_margin=1e9)
    other = Router(msgspec.structs.replace(router.bundle, manifest=manifest), router.fleet)
    assert other.route(task).profile == "fast"


def test_many_are_routed_in_order_as_each_alone(router, by_profile):
    tasks = [Task(text, id=str(number)) for number, text in enumerate(TEXTS)]
    together = router.route_many(tasks)
    assert [decision.task_id for decision in together] == [task.id for task in tasks]
    for decision, alone in zip(together, by_profile["auto"], strict=True):
        assert_same(msgspec.structs.replace(decision, task_id=None), alone)


def test_many_and_one_at_a_time_agree_from_eight_threads(router, by_profile):
    with ThreadPoolExecutor(8) as pool:
        for decision, alone in zip(pool.map(router.route, TEXTS * 4), by_profile["auto"] * 4, strict=True):
            assert_same(decision, alone)


def test_no_tasks_give_no_decisions(router):
    assert (router.route_many([]), router.try_route_many([])) == ([], [])


def test_one_task_that_nothing_can_do_leaves_the_others_decided(tiny):
    poor = Task(TEXT, type="testing", budget_usd=0, id="poor")
    results = tiny.try_route_many([Task(TEXT, id="a"), poor, TEXT])
    assert [type(result) for result in results] == [Decision, BudgetTooSmall, Decision]
    with pytest.raises(BudgetTooSmall, match="task 'poor'"):
        tiny.route_many([TEXT, poor])


def test_tasks_of_one_batch_keep_their_own_budgets_types_tags_and_ids(tiny):
    tasks = [
        Task(TEXT, type="testing", budget_usd=0.0003, tags={"n": "1"}, id="one"),
        Task(TEXT, type="translation", tags={"n": "2"}, id="two"),
        Task(TEXT, type="testing", constraints=Constraints(models=("large",)), id="three"),
    ]
    decisions = tiny.route_many(tasks)
    assert [(d.task_id, d.model, d.type, d.tags) for d in decisions] == [
        ("one", "small", "testing", {"n": "1"}),
        ("two", "kin-of-small", "translation", {"n": "2"}),
        ("three", "large", "testing", {}),
    ]
    assert {decision.propensity for decision in decisions} == {1.0}


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_text_is_refused(router, text):
    with pytest.raises(InvalidTask, match=r"^description is empty"):
        router.route(text)


@pytest.mark.parametrize("task", [None, 5, b"x", {"description": "x"}], ids=["null", "number", "bytes", "dict"])
def test_what_is_no_task_is_refused(router, task):
    with pytest.raises(InvalidTask):
        router.route(task)


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec=None, exclude_categories=()), min_size=1).filter(lambda text: not text.isspace()))
def test_any_text_is_routed_within_the_laws(router, text):
    decision = router.route(text)
    utilities = [candidate.utility for candidate in decision.candidates]
    ranked = utilities if decision.escalated_from is None else utilities[1:]
    assert ranked == sorted(ranked, reverse=True)
    assert (decision.model, *decision.fallbacks) == tuple(candidate.model for candidate in decision.candidates)
    assert sorted(candidate.model for candidate in decision.candidates) == sorted(router.fleet.ids)
    assert sum(decision.complexity.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert decision.complexity.probability == max(decision.complexity.probabilities.values())
    assert 0 < decision.quality < 1
    assert decision.saving_nanousd == (
        next(c.cost_nanousd for c in decision.candidates if c.model == decision.baseline) - decision.cost_nanousd
    )


def test_a_router_takes_a_fleet_by_name_by_file_and_as_an_object(bundle_dir, tmp_path):
    (tmp_path / "tiny.yaml").write_text(FLEET, encoding="utf-8")
    by_file = Router.load(bundle_dir, fleet=tmp_path / "tiny.yaml", profile="fast")
    assert by_file.fleet.ids == ("small", "large", "kin-of-small")
    assert Router.load(bundle_dir, fleet=by_file.fleet).fleet is by_file.fleet
    assert Router.load(bundle_dir, fleet="seeds").fleet.name == load_fleet("seeds").name
    assert not any(candidate.is_measured for candidate in by_file.route(Task(TEXT, type="testing")).candidates)


def test_a_fleet_has_no_card_of_an_unknown_model(router):
    with pytest.raises(UnknownModel):
        router.fleet.subset(["gpt-9"])
