import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pointsman.errors import InvalidInput
from pointsman.verification import Answer, Cascade, Outlook, beliefs, best_answer, next_call
from pointsman.verification.shared_demand import chances_by_offset, offsets
from pointsman.verification.stopping import signal_levels

USD = 1_000_000_000
CHANCE = st.floats(0.02, 0.98)


def outlook(quality, price, trade=USD // 40, **rest):
    return Outlook(np.array(quality, dtype=np.float32), np.array(price, dtype=np.int64), trade, **rest)


@st.composite
def cascades(draw, fewest_answers=0):
    models = draw(st.integers(2, 4))
    prices = draw(st.lists(st.integers(0, 30_000_000), min_size=models, max_size=models))
    view = outlook(
        draw(st.lists(CHANCE, min_size=models, max_size=models)), prices,
        trade=draw(st.sampled_from([1_000_000, 25_000_000, USD])),
        max_calls=draw(st.integers(1, 4)), auc=draw(st.floats(0.5, 0.99)),
        spread=draw(st.sampled_from([0.0, 1.0, 2.0])), lookahead=draw(st.integers(1, 3)),
    )  # fmt: skip
    asked = draw(st.permutations(range(models)))[: draw(st.integers(fewest_answers, models - 1))]
    return Cascade(view, tuple(Answer(model, draw(CHANCE)) for model in asked))


def with_outlook(state, **changes):
    old = state.outlook
    fields = {name: getattr(old, name) for name in old.__struct_fields__} | changes
    return Cascade(Outlook(**fields), state.answers, state.failed)


@settings(deadline=None, max_examples=150)
@given(cascades(), st.data())
def test_raising_a_price_never_turns_a_stop_into_a_call(state, data):
    assume(next_call(state) is None)
    prices = state.outlook.price_nanousd
    more = np.array([data.draw(st.integers(0, 10_000_000)) for _ in prices])

    assert next_call(with_outlook(state, price_nanousd=prices + more)) is None


@settings(deadline=None, max_examples=150)
@given(cascades(fewest_answers=1), st.floats(0, 1))
def test_believing_more_in_the_best_answer_never_turns_a_stop_into_a_call(state, share):
    assume((state.outlook.price_nanousd > 0).all() and next_call(state) is None)
    best = best_answer(state)
    answers = list(state.answers)
    raised = answers[best].belief + share * (1 - answers[best].belief)
    answers[best] = Answer(answers[best].model, raised)

    assert next_call(Cascade(state.outlook, tuple(answers))) is None


@settings(deadline=None)
@given(cascades())
def test_no_more_calls_are_made_than_allowed_and_no_model_is_asked_twice(state):
    while (model := next_call(state)) is not None:
        assert model not in {answer.model for answer in state.answers}
        assert len(state.answers) < state.outlook.max_calls
        state = Cascade(state.outlook, (*state.answers, Answer(model, 0.02)))


@settings(deadline=None)
@given(cascades())
def test_where_quality_is_worth_nothing_it_stops(state):
    assert next_call(with_outlook(state, trade_nanousd=0)) is None


@settings(deadline=None)
@given(cascades(fewest_answers=1))
def test_a_verifier_that_tells_nothing_makes_no_call_for_a_worse_model(state):
    best = max(state.outlook.quality[answer.model] for answer in state.answers)
    worse = np.minimum(state.outlook.quality, best).astype(np.float32)
    answers = tuple(Answer(answer.model, float(worse[answer.model])) for answer in state.answers)
    view = with_outlook(state, quality=worse, auc=0.5, price_nanousd=state.outlook.price_nanousd + 100).outlook

    assert next_call(Cascade(view, answers)) is None


@given(CHANCE, CHANCE, st.sampled_from([0.0, 0.7, 2.0, 3.0]))
def test_one_answer_is_believed_as_its_own_signals_say(quality, belief, spread):
    state = Cascade(outlook([quality, 0.5], [1, 1], spread=spread), (Answer(0, belief),))

    assert beliefs(state) == pytest.approx([belief], abs=1e-5)


def test_an_answer_judged_poor_makes_the_other_answers_less_likely_good_and_a_good_one_more():
    alone = beliefs(Cascade(outlook([0.6, 0.7], [1, 1]), (Answer(1, 0.7),)))[0]
    beside_poor = beliefs(Cascade(outlook([0.6, 0.7], [1, 1]), (Answer(1, 0.7), Answer(0, 0.05))))[0]
    beside_good = beliefs(Cascade(outlook([0.6, 0.7], [1, 1]), (Answer(1, 0.7), Answer(0, 0.95))))[0]
    independent = beliefs(Cascade(outlook([0.6, 0.7], [1, 1], spread=0.0), (Answer(1, 0.7), Answer(0, 0.05))))[0]

    assert beside_poor < alone - 0.1 < alone + 0.05 < beside_good
    assert independent == pytest.approx(0.7, abs=1e-5)


def test_the_gain_of_one_call_is_that_of_all_worlds_counted_one_by_one():
    quality, belief, auc, spread = np.array([0.6, 0.8]), 0.4, 0.8, 1.0
    (shift, weights), (good, bad) = offsets(spread), signal_levels(auc)
    chance = chances_by_offset(quality, spread)
    ratio = (0.4 / 0.6) / (0.6 / 0.4)
    total = best = stop = 0.0
    for level in range(len(good)):
        first = second = 0.0
        for node, (is_first, is_second) in itertools.product(range(len(shift)), itertools.product((0, 1), repeat=2)):
            p = weights[node]
            p *= chance[node, 0] * ratio if is_first else 1 - chance[node, 0]
            p *= chance[node, 1] * good[level] if is_second else (1 - chance[node, 1]) * bad[level]
            total += p
            first, second = first + p * is_first, second + p * is_second
        best, stop = best + max(first, second), stop + first
    gain = (best - stop) / total

    def state(price):
        view = outlook(quality, [1, price], trade=USD, auc=auc, spread=spread, lookahead=1)
        return Cascade(view, (Answer(0, belief),))

    assert stop / total == pytest.approx(belief, abs=1e-5)
    assert next_call(state(int(gain * USD * 0.999))) == 1
    assert next_call(state(int(gain * USD * 1.001))) is None


def test_looking_ahead_starts_with_the_cheap_model_where_one_step_would_start_with_the_dear_one():
    view = {"quality": [0.7, 0.9], "price": [100_000, 4_000_000], "auc": 0.9, "spread": 0.0}

    assert next_call(Cascade(outlook(**view, lookahead=1))) == 1
    assert next_call(Cascade(outlook(**view, lookahead=2))) == 0


def test_a_model_whose_call_failed_is_not_asked_again_and_counts_as_a_call():
    view = outlook([0.5, 0.9, 0.8], [1, 1, 1], max_calls=2)

    assert next_call(Cascade(view, failed=frozenset({1}))) == 2
    assert next_call(Cascade(view, (Answer(0, 0.1),), failed=frozenset({1}))) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"quality": [0.5]}, "one number a model in both"),
        ({"quality": [0.5, 1.5]}, "from 0 to 1"),
        ({"quality": [0.5, float("nan")]}, "from 0 to 1"),
        ({"price": [1, -1]}, "from 0"),
        ({"auc": 0.4}, "0.5 to 1"),
        ({"max_calls": 0}, "1 or more"),
    ],
)
def test_what_no_task_can_have_is_refused(changes, words):
    with pytest.raises(InvalidInput, match=words):
        outlook(**{"quality": [0.5, 0.6], "price": [1, 1]} | changes)


def test_an_answer_of_no_model_and_a_choice_among_no_answers_are_refused():
    with pytest.raises(InvalidInput, match="a model from 0 to 1"):
        Cascade(outlook([0.5, 0.6], [1, 1]), (Answer(2, 0.5),))
    with pytest.raises(InvalidInput, match="no answer at hand"):
        best_answer(Cascade(outlook([0.5, 0.6], [1, 1])))


@given(st.lists(CHANCE, min_size=1, max_size=5), st.floats(0, 3))
def test_the_offset_has_the_spread_that_is_stated_and_keeps_predicted_qualities_as_means(quality, spread):
    shift, weights = offsets(spread)

    assert weights @ shift**2 == pytest.approx(spread**2, abs=1e-9)
    assert weights @ chances_by_offset(np.array(quality), spread) == pytest.approx(quality, abs=1e-4)


@given(st.floats(0.5, 1))
def test_the_levels_of_a_verifier_are_probabilities_and_rise_with_goodness(auc):
    good, bad = signal_levels(auc)

    assert good.sum() == pytest.approx(1) and bad.sum() == pytest.approx(1)
    assert (good[1:] * bad[:-1] >= good[:-1] * bad[1:] - 1e-12).all()
