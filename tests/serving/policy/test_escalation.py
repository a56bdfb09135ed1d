import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.policy import Policy, Weights, escalated, is_certain
from pointsman.policy.reasons import escalation_words

COST = [1, 10, 5, 100]


@pytest.mark.parametrize(
    ("quality", "chosen", "becomes"),
    [
        ([0.5, 0.8, 0.9, 0.95], 0, 2),
        ([0.5, 0.8, 0.6, 0.95], 0, 1),
        ([0.7, 0.8, 0.9, 0.95], 0, 0),
        ([0.5, 0.6, 0.6, 0.69], 0, 0),
        ([0.5, 0.6, 0.6, 0.71], 1, 3),
        ([0.9, 0.6, 0.6, 0.65], 3, 0),
    ],
    ids=[
        "cheapest-that-reaches-it",
        "not-one-below-it",
        "not-at-it",
        "none-reaches-it",
        "dearest",
        "a-cheaper-model-too",
    ],
)
def test_a_choice_below_the_threshold_gives_way_to_the_cheapest_that_reaches_it(
    candidates_of, quality, chosen, becomes
):
    assert escalated(candidates_of(quality, COST), np.array([chosen]), np.float32(0.7)).tolist() == [becomes]


def test_a_model_that_is_not_able_is_never_escalated_to(candidates_of):
    candidates = candidates_of([0.5, 0.8, 0.9, 0.95], COST, is_able=[True, True, False, True])
    assert escalated(candidates, np.array([0]), 0.7).tolist() == [1]


tables = st.lists(
    st.tuples(*[st.tuples(st.floats(0.05, 0.95), st.integers(0, 1000), st.booleans())] * 4), min_size=1, max_size=6
)


@settings(max_examples=50, deadline=None)
@given(tables, st.floats(0, 1), st.data())
def test_an_escalation_reaches_the_threshold_and_nothing_able_and_cheaper_does(candidates_of, table, threshold, data):
    quality, cost, able = (np.array([[cell[part] for cell in row] for row in table]) for part in range(3))
    candidates = candidates_of(quality, cost, able)
    chosen = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(table), max_size=len(table))))
    for row, (before, after) in enumerate(zip(chosen, escalated(candidates, chosen, threshold), strict=True)):
        reaches = candidates.is_able[row] & (candidates.quality[row] >= threshold)
        if candidates.quality[row, before] >= threshold or not reaches.any():
            assert after == before
        else:
            assert reaches[after]
            assert candidates.cost_nanousd[row, after] == candidates.cost_nanousd[row][reaches].min()


@settings(max_examples=50, deadline=None)
@given(tables, st.floats(0, 1), st.floats(0, 0.3), st.integers(0, 2**32 - 1))
def test_where_it_is_certain_small_errors_of_quality_change_no_escalation(
    candidates_of, table, threshold, margin, seed
):
    quality, cost, able = (np.array([[cell[part] for cell in row] for row in table]) for part in range(3))
    candidates = candidates_of(quality, cost, able)
    rng = np.random.default_rng(seed)
    utility = rng.random(quality.shape).astype(np.float32)
    chosen = np.where(candidates.is_able, utility, -np.inf).argmax(axis=1)
    certain = is_certain(candidates, utility, threshold, margin)
    others = candidates_of(quality + rng.uniform(-0.999, 0.999, quality.shape) * margin, cost, able)
    moves = escalated(candidates, chosen, threshold) != chosen
    moves_then = escalated(others, chosen, threshold) != chosen
    is_close = np.abs(candidates.quality - threshold) < 1e-6
    assert not (certain & (moves != moves_then) & ~is_close.any(axis=1) & candidates.is_able.any(axis=1)).any()


def test_one_able_model_is_certain_and_a_close_call_is_not(candidates_of):
    cases = [
        ([0.69, 0.9], [True, False], True),
        ([0.69, 0.9], [True, True], False),
        ([0.79, 0.9], [True, True], False),
        ([0.81, 0.9], [True, True], True),
        ([0.4, 0.5], [True, True], True),
        ([0.4, 0.65], [True, True], False),
    ]
    quality, able, certain = zip(*cases, strict=True)
    candidates = candidates_of(quality, [[1, 2]] * len(cases), able)
    utility = np.array([[1.0, 0.0]] * len(cases), dtype=np.float32)
    assert is_certain(candidates, utility, 0.7, 0.1).tolist() == list(certain)


def test_the_words_say_who_gave_way_and_why():
    assert escalation_words("small", 0.512, 0.7) == " Escalated from small, whose chance of 0.51 is below 0.7."


@pytest.mark.parametrize(
    ("policy", "threshold"),
    [
        (Policy(), 0.7),
        (Policy(strategy="weighted", weights=Weights()), 0.7),
        (Policy(strategy="quality-first"), None),
        (Policy(confidence=None), None),
        (Policy(confidence=0.9), 0.9),
        (Policy(target_quality=0.8), None),
        (Policy(target_quality=0.8, confidence=0.6), 0.6),
    ],
)
def test_a_policy_escalates_by_default_but_not_under_a_target(policy, threshold):
    assert policy.threshold == threshold
