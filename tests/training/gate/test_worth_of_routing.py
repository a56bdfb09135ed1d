import numpy as np
import pytest

from pointsman_training.evaluation.bootstrap import Interval
from pointsman_training.gate.constant import Worth, worth_of_routing, worth_words
from pointsman_training.gate.draws import draws_of
from pointsman_training.gate.opponents import best_constants

MODELS = ("small", "middling", "large")


def alone(n):
    return draws_of(np.arange(n).astype(str), 500, np.random.default_rng(0))


def worth(prompts, noise, seed=0):
    rng = np.random.default_rng(seed)
    trial = prompts.trial
    utility = prompts.chance(noise, rng) - trial.expected_costs / 0.02
    outcome = trial.scores - trial.costs / 0.02
    return worth_of_routing(MODELS, utility, outcome, draws_of(trial.examples.groups, 500, rng))


def test_routing_that_sees_the_truth_beats_the_constant_and_routing_that_sees_nothing_does_not(simulated):
    prompts = simulated(np.random.default_rng(1), 1_500)
    seeing, blind = worth(prompts, 0.2), worth(prompts, 20.0)
    assert (seeing.constant, seeing.lowest > 0) == (None, True)
    assert (blind.constant, blind.gain.value < 0) == (blind.model, True)


def test_the_constant_is_the_model_of_greatest_mean_utility(simulated):
    prompts = simulated(np.random.default_rng(2), 400)
    mean = (prompts.trial.scores - prompts.trial.costs / 0.02).mean(axis=0)
    assert worth(prompts, 1.0).model == MODELS[int(mean.argmax())]


def test_always_choosing_the_constant_gains_nothing_and_is_served_as_one():
    outcome = np.random.default_rng(3).random((50, 3)) + np.array([0, 1, 0])
    found = worth_of_routing(MODELS, np.tile([0, 1, 0], (50, 1)), outcome, alone(50))
    assert found == Worth("middling", Interval(0, 0, 0), 0.0, 50)
    assert found.constant == "middling"


def test_routing_that_is_worth_nothing_is_kept_in_at_most_five_per_cent():
    rng, draws, kept = np.random.default_rng(5), alone(150), 0
    for _ in range(400):
        outcome = rng.random((150, 2)) < 0.6
        kept += worth_of_routing(("a", "b"), rng.random((150, 2)), outcome * 1.0, draws).constant is None
    assert kept / 400 <= 0.05


def test_prompts_without_every_outcome_are_left_out(simulated):
    trial = simulated(np.random.default_rng(6), 200).trial
    outcome = trial.scores - trial.costs / 0.02
    holed = np.vstack([outcome, np.tile([np.nan, 9, 9], (100, 1))])
    found = worth_of_routing(MODELS, np.vstack([outcome, np.tile([0, 1, 0], (100, 1))]), holed, alone(300))
    whole = worth_of_routing(MODELS, outcome, outcome, alone(200))
    assert (found.model, found.gain.value, found.prompts) == (whole.model, pytest.approx(whole.gain.value), 200)


@pytest.mark.parametrize(("lowest", "says"), [(0.001, False), (-0.001, True)])
def test_the_card_says_openly_that_one_model_is_served(simulated, lowest, says):
    found = worth(simulated(np.random.default_rng(1), 300), 1.0)
    words = worth_words(Worth(found.model, found.gain, lowest, found.prompts).figures)
    assert words.startswith(f"**This bundle serves {found.model} always.**") == says
    assert "300 prompts" in words


def test_the_best_constant_depends_on_the_dial():
    quality, cost = np.array([0.5, 0.7, 0.8]), np.array([0.0, 0.01, 0.1])
    assert best_constants(quality, cost, np.array([0.01, 0.1, 10.0])).tolist() == [0, 1, 2]
