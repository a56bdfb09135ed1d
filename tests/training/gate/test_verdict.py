from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from pointsman_training.evaluation.scores import ece, reliability
from pointsman_training.gate.checks import calibration_errors, drops
from pointsman_training.gate.claims import DIALS, contest
from pointsman_training.gate.draws import draws_of
from pointsman_training.gate.opponents import CHAMPION, CONSTANT, best_constants, fixed
from pointsman_training.gate.verdict import Bounds, Evidence, equal_bundles, judge

N = 3_000
TRADE_USD = 0.02
NAMES = ("beats champion and baselines", "calibration", "slices", "contributors", "unseen rows")


@pytest.fixture
def evidence(simulated):
    """Return the function that makes the evidence of a candidate with these chances, against one of noise 1.5."""
    rng = np.random.default_rng(8)
    prompts = simulated(rng, N)
    champion = prompts.chance(1.5, rng)
    dials = TRADE_USD * DIALS
    first, *others = best_constants(prompts.trial.scores.mean(axis=0), prompts.trial.costs.mean(axis=0),
                                    np.append(TRADE_USD, dials))  # fmt: skip
    constant = fixed(prompts.trial, first, np.array(others))

    def make(change=lambda chance, prompts: chance, noise=0.3, **fields):
        chance = change(prompts.chance(noise, np.random.default_rng(9)), prompts)
        ours, theirs = prompts.served(chance), prompts.served(champion)
        types = prompts.trial.examples.types
        found = Evidence(
            contests=(contest(CHAMPION, ours, theirs, dials), contest(CONSTANT, ours, constant, dials)),
            incumbent=contest(CONSTANT, theirs, constant, dials),
            constant=prompts.trial.models[first],
            candidate_chance=chance,
            champion_chance=prompts.chance(0.3, np.random.default_rng(10)),
            scores=prompts.trial.scores,
            kinds={"task type": types},
            contributors=np.char.add("team ", (np.arange(N) % 6).astype(str)),
            unseen=(True, None),
        )
        return replace(found, **fields)

    make.prompts, make.champion = prompts, champion
    return make


def judged(evidence, bounds=None):
    return judge(evidence, bounds or Bounds(), draws_once())


@cache
def draws_once():
    return draws_of(np.arange(N).astype(str), 600, np.random.default_rng(2))


def statuses(verdict):
    return {check.name: check.status for check in verdict.checks}


def only_failed(name):
    return {other: "failed" if other == name else "passed" for other in NAMES}


def test_a_better_candidate_is_promoted(evidence):
    verdict = judged(evidence())
    assert statuses(verdict) == dict.fromkeys(NAMES, "passed")
    assert verdict.promotes
    assert [claim.way for claim in verdict.claims] == ["better at equal cost"] * 2
    assert verdict.advice == ""
    assert all(check.remedy == "" for check in verdict.checks)


def test_an_equal_candidate_is_not_promoted_and_is_called_equal(evidence):
    verdict = judged(evidence(lambda chance, prompts: evidence.champion))
    assert not verdict.promotes
    assert statuses(verdict)[NAMES[0]] == "failed"
    assert "The bundles are equal" in verdict.checks[0].finding
    assert "train a better candidate" in verdict.checks[0].remedy


def test_a_candidate_as_blind_as_the_champion_is_not_promoted_and_hears_how_many_prompts_it_would_take(evidence):
    verdict = judged(evidence(noise=1.4))
    assert not verdict.promotes
    assert "groups of prompts like these (3,000 were measured)" in verdict.checks[0].remedy


def test_a_candidate_with_a_broken_slice_is_not_promoted(evidence):
    def broken(chance, prompts):
        is_code = (prompts.trial.examples.types == "code")[:, np.newaxis]
        return np.where(is_code, chance[:, ::-1] * [1, 0.1, 0.1], chance)

    found = evidence(broken)
    verdict = judged(replace(found, candidate_chance=found.champion_chance))
    assert statuses(verdict) == only_failed("slices") | {NAMES[0]: statuses(verdict)[NAMES[0]]}
    assert verdict.checks[2].finding.startswith("task type code (-0.")
    assert "letters" not in verdict.checks[2].finding


def test_a_slice_within_noise_is_reported_and_does_not_fail(evidence):
    rng = np.random.default_rng(4)
    found = evidence()
    kinds = {"length": np.where(np.arange(N) < 60, "short", "long")}
    quality = np.where(np.arange(N) < 60, -0.04 + 0.4 * rng.normal(size=N), 0.02)
    quality[:60] += -0.04 - quality[:60].mean()
    contests = (replace(found.contests[0], quality=quality), found.contests[1])
    check = judged(replace(found, kinds=kinds, contests=contests)).checks[2]
    assert check.status == "passed"
    assert "Suspicious, within noise: length short (-0.0400" in check.finding


def test_slices_with_fewer_than_fifty_prompts_are_not_judged():
    labels = np.array(["few"] * 49 + ["many"] * 50)
    draws = draws_of(np.arange(99).astype(str), 20, np.random.default_rng(0))
    found = drops(np.where(labels == "few", -1.0, 0.5), {"kind": labels}, draws)
    assert [(drop.name, drop.prompts, drop.quality.value) for drop in found] == [("many", 50, -0.5)]


def test_a_candidate_whose_gain_comes_from_one_contributor_is_not_promoted(evidence):
    theirs = np.arange(N) % 6 == 3

    def lucky(chance, prompts):
        return np.where(theirs[:, np.newaxis], chance, evidence.champion)

    found, sound = evidence(lucky, noise=0.0), evidence()
    contests = (found.contests[0], sound.contests[1])
    verdict = judged(replace(found, contests=contests, candidate_chance=found.champion_chance))
    assert all(claim.holds for claim in verdict.claims)
    assert statuses(verdict)["contributors"] == "failed"
    assert verdict.turned_by == ("team 3",)
    assert verdict.checks[3].finding == "the first check fails without the rows of team 3 alone."


def test_a_contributor_whose_rows_alone_keep_a_candidate_down_is_named_too(evidence):
    found = evidence()
    theirs = np.arange(N) % 6 == 2
    contests = tuple(replace(one, gain=np.where(theirs, -0.6, one.gain), cost=one.cost + 1) for one in found.contests)
    verdict = judged(replace(found, contests=contests))
    assert statuses(verdict)[NAMES[0]] == "failed"
    assert verdict.checks[3].finding == "the first check holds without the rows of team 2 alone."


def test_all_rows_of_one_known_contributor_fail_and_unknown_contributors_are_not_asked_for(evidence):
    one = judged(evidence(contributors=np.full(N, "ann")))
    assert (one.checks[3].status, one.checks[3].finding) == ("failed", "all rows are of ann, who decides alone.")
    nobody = judged(evidence(contributors=None))
    assert nobody.checks[3].status == "not asked"
    assert nobody.promotes


def test_a_miscalibrated_candidate_is_not_promoted(evidence):
    verdict = judged(evidence(lambda chance, prompts: chance**2))
    assert statuses(verdict)["calibration"] == "failed"
    assert "too large" in verdict.checks[1].finding


def test_a_candidate_worse_calibrated_beyond_noise_is_not_promoted_even_within_the_bound(evidence):
    bent = evidence(lambda chance, prompts: np.clip(chance + 0.03, 0, 1))
    verdict = judged(bent, Bounds(max_ece=0.2))
    assert verdict.calibration.candidate.value < 0.2
    assert "worse beyond noise" in verdict.checks[1].finding
    assert judged(evidence(), Bounds(max_ece=0.2)).checks[1].status == "passed"


def test_drawn_calibration_errors_start_with_the_error_that_evaluate_reports(evidence):
    chance, scores = evidence.champion, evidence.prompts.trial.scores
    draws = draws_of(np.arange(N).astype(str), 5, np.random.default_rng(0))
    errors = calibration_errors(chance, scores, draws)
    assert errors[0] == pytest.approx(ece(reliability(chance.ravel(), scores.ravel())))
    rows = np.repeat(np.arange(N), draws.counts[1].astype(int))
    by_hand = ece(reliability(chance[rows].ravel(), scores[rows].ravel()))
    assert errors[1] == pytest.approx(by_hand, abs=0.01)


@pytest.mark.parametrize(
    ("unseen", "allows", "status", "words"),
    [
        ((True, True), False, "passed", "neither bundle learned"),
        ((None, True), False, "passed", "manifest of candidate names none"),
        ((False, True), False, "failed", "candidate learned from these very rows"),
        ((False, False), False, "failed", "candidate and champion learned"),
        ((True, False), True, "waived", "Waived by --allow-seen"),
    ],
)
def test_rows_that_a_bundle_learned_from_promote_nobody(evidence, unseen, allows, status, words):
    verdict = judged(evidence(unseen=unseen), Bounds(allows_seen=allows))
    assert verdict.checks[4].status == status
    assert words in verdict.checks[4].finding
    assert verdict.promotes == (status != "failed")


def test_if_nothing_beats_the_constant_the_advice_is_to_serve_it(evidence):
    found = evidence(noise=6.0)
    hopeless = replace(found, incumbent=found.contests[1])
    advice = judged(hopeless).advice
    assert advice.startswith(f"serve {found.constant}: neither candidate nor champion")
    assert judged(replace(found, incumbent=evidence().contests[1])).advice == ""


def test_a_candidate_that_is_the_champion_is_equal():
    verdict = equal_bundles("abc")
    assert not verdict.promotes
    assert "they are equal" in verdict.checks[0].finding
