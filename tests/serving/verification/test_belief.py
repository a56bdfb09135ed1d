import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import InvalidFile, InvalidInput, InvalidOutcomes
from pointsman.verification import ASSUMED_BELIEF, FEWEST_ROWS, SIGNALS, Judged, Signals, belief_from_json, fit_belief
from pointsman.verification.belief import ASSUMED_SHARES

PRIOR = st.floats(0.01, 0.99)
CLEAN = Signals(empty=0, refusal=0, hedging=0, truncated=0, loops=0, echo=0)


def world(n, seed, prior_is_off=0.0):
    """A world with known shares: refusals, missed demands, a judge; priors may be too sure by a factor in logits."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        logit = rng.normal(0.8, 1.2)
        is_good = bool(rng.random() < 1 / (1 + np.exp(-logit)))
        seen = Signals(
            refusal=float(rng.random() < (0.002 if is_good else 0.10)),
            demands_broken=float(rng.random() < (0.05 if is_good else 0.40)) if rng.random() < 0.5 else None,
            judged_poor=float(np.clip(rng.normal(0.35 if is_good else 0.55, 0.2), 0, 1)),
        )
        rows.append(Judged(seen, float(1 / (1 + np.exp(-logit * (1 + prior_is_off)))), float(is_good)))
    return rows


def calibration_error(chances, qualities):
    parts = np.array_split(np.argsort(chances, kind="stable"), 10)
    return sum(abs(chances[part].mean() - qualities[part].mean()) * len(part) for part in parts) / len(chances)


def test_every_sign_has_an_assumed_weight_and_is_likelier_in_bad_answers():
    assert set(ASSUMED_SHARES) == set(SIGNALS) == set(ASSUMED_BELIEF.well) == set(ASSUMED_BELIEF.ill)
    assert all(bad > good for bad, good in ASSUMED_SHARES.values())


@given(PRIOR)
def test_where_nothing_was_seen_the_prior_stands(prior):
    assert ASSUMED_BELIEF.good(Signals(), prior) == pytest.approx(prior)


@given(PRIOR, st.sampled_from(SIGNALS), st.floats(0, 1), st.floats(0, 1))
def test_a_stronger_sign_never_makes_an_answer_more_likely_good(prior, name, one, other):
    weak, strong = sorted((one, other))

    assert ASSUMED_BELIEF.good(Signals(**{name: strong}), prior) <= ASSUMED_BELIEF.good(Signals(**{name: weak}), prior)


@pytest.mark.parametrize("name", ["empty", "refusal", "json_broken", "schema_broken", "loops", "echo"])
def test_what_no_caller_can_use_outweighs_a_good_prior(name):
    assert ASSUMED_BELIEF.good(Signals(**{name: 1.0}), 0.9) < 0.25


def test_a_clean_answer_is_believed_a_little_more_than_its_prior():
    assert 0.7 < ASSUMED_BELIEF.good(CLEAN, 0.7) < 0.78


def test_a_prior_that_is_no_probability_is_refused():
    with pytest.raises(InvalidInput, match="from 0 to 1"):
        ASSUMED_BELIEF.good(CLEAN, float("nan"))


def test_a_fitted_belief_is_calibrated_on_answers_it_never_saw_also_where_the_prior_is_too_sure():
    belief = fit_belief(world(3000, seed=1, prior_is_off=0.6))
    fresh = world(4000, seed=2, prior_is_off=0.6)
    qualities = np.array([row.quality for row in fresh])
    chances = np.array([belief.good(row.signals, row.prior) for row in fresh])
    priors = np.array([row.prior for row in fresh])

    assert calibration_error(chances, qualities) < 0.03 < 0.06 < calibration_error(priors, qualities)
    assert belief.fit.rows == 3000
    assert belief.fit.ece < 0.03 < 0.06 < belief.fit.prior_ece
    assert 0.7 < belief.fit.auc < 0.85


def test_a_fit_finds_the_weights_of_its_world():
    belief = fit_belief(world(4000, seed=3))

    assert belief.prior_slope == pytest.approx(1, abs=0.15)
    assert belief.ill["demands_broken"] - belief.well["demands_broken"] == pytest.approx(
        np.log(0.05 / 0.40) - np.log(0.95 / 0.60), abs=0.4
    )
    assert belief.ill["json_broken"] == pytest.approx(ASSUMED_BELIEF.ill["json_broken"])


def test_signs_that_say_nothing_are_seen_to_say_nothing_on_few_rows():
    rng = np.random.default_rng(6)
    rows = [
        Judged(Signals(**{name: float(rng.random()) for name in SIGNALS}), 0.5, float(rng.random() < 0.5))
        for _ in range(FEWEST_ROWS)
    ]

    assert fit_belief(rows).fit.auc < 0.6


def test_the_same_rows_give_the_same_belief_and_json_gives_it_back():
    rows = world(FEWEST_ROWS, seed=4)
    belief = fit_belief(rows)

    assert fit_belief(rows) == belief
    assert belief_from_json(belief.to_json()) == belief


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (world(FEWEST_ROWS - 1, seed=5), "199 judged answers; expected 200"),
        ([Judged(CLEAN, 0.5, 1.0)] * 300, "300 of 300 judged answers are good"),
        ([*world(FEWEST_ROWS, seed=5), Judged(CLEAN, 1.5, 1.0)], "row 201: prior is 1.5"),
        ([*world(FEWEST_ROWS, seed=5), Judged(CLEAN, 0.5, float("nan"))], "row 201: quality is nan"),
    ],
)
def test_rows_that_teach_nothing_are_refused(rows, words):
    with pytest.raises(InvalidOutcomes, match=words):
        fit_belief(rows)


@pytest.mark.parametrize("text", ["", "[]", '{"well": {}, "ill": {"x": 1}}', '{"well": {"x": 1.0}, "ill": {"x": 1.0}}'])
def test_a_file_that_is_no_belief_is_refused(text):
    with pytest.raises(InvalidFile, match="expected"):
        belief_from_json(text)
