"""Escalation and targets on the command line."""

import json

import msgspec
import numpy as np
import pytest

from pointsman import Policy, Router
from pointsman.policy_file import policy_json
from pointsman.promises import DialPoint, Promises

TEXT = "Find all primes p such that p**7 + 7 is a perfect square, and prove it"


@pytest.fixture(scope="module")
def fleet_prices(router):
    return {
        card.id: (card.price.input_nanousd_per_mtok, card.price.output_nanousd_per_mtok) for card in router.fleet.cards
    }


@pytest.fixture
def policy_file(tmp_path, router, fleet_prices):
    """Write the policy of a quality target, calibrated as said."""

    def write(**changes):
        fields = {
            "confidence": 0.95,
            "fleet": fleet_prices,
            "curves": {"fast": (DialPoint(0.001, 0.8, 50_000, 0.75),)},
            "source": "school",
            "evidence": "held out",
            "prompts": 500,
            "groups": 400,
            "novelty_ceiling": 1.0,
            "novelty_quantiles": tuple(np.linspace(0, 1, 101).tolist()),
            "bundle": router.bundle.digest,
        }
        path = tmp_path / "policy.json"
        path.write_bytes(policy_json(Policy(target_quality=0.7, promises=Promises(**(fields | changes)))))
        return path

    return write


def lines_of(out, name):
    """Return the values of a grid's rows of this name, and of the rows of no name below."""
    return [" ".join(line.split()[1:]) for line in out.splitlines() if line.startswith(f"{name} ")]


def test_a_route_says_whom_it_escalated_from(pointsman):
    options = ("--profile", "fast", "--trade-usd", "0.001")
    plain = json.loads(pointsman("route", TEXT, *options, "--confidence", "off", "--json").out)
    between = (plain["confidence"] + max(candidate["quality"] for candidate in plain["candidates"])) / 2
    done = pointsman("route", TEXT, *options, "--confidence", f"{between:.6f}")
    assert plain["escalated_from"] is None
    assert plain["confidence"] < between
    assert lines_of(done.out, "escalated") == [f"from {plain['model']}"]


def test_a_policy_file_promises_what_it_was_calibrated_for(pointsman, policy_file):
    done = pointsman("route", TEXT, "--profile", "fast", "--policy", policy_file())
    assert lines_of(done.out, "promise") == ["mean quality of at least 0.7, with 95% confidence"]
    done = pointsman("route", TEXT, "--profile", "fast", "--policy", policy_file(bundle="abc"))
    assert lines_of(done.out, "promise")[0].startswith("withdrawn: calibrated with bundle abc, and this is")


def batched(pointsman, jsonl, policy, texts):
    tasks = jsonl(*({"description": text} for text in texts))
    done = pointsman("batch", tasks, "--output", tasks.with_suffix(".out"), "--profile", "fast", "--policy", policy)
    assert (done.code, done.err) == (0, "")
    return lines_of(done.out, "promise")


def test_a_batch_counts_the_tasks_that_its_promise_covers(pointsman, jsonl, policy_file, router):
    texts = ["Fix the login bug", TEXT, "hi"]
    novelty = sorted(router.predictor.read(texts, "fast").novelty.tolist())
    policy = policy_file(novelty_ceiling=(novelty[1] + novelty[2]) / 2)
    assert batched(pointsman, jsonl, policy, texts) == [
        "mean quality of at least 0.7, with 95% confidence, on 2 of 3 tasks",
        "withdrawn on 1: novelty above the calibration data's",
    ]


def test_a_batch_unlike_the_calibration_data_is_promised_nothing(pointsman, jsonl, policy_file, router):
    texts = [f"Fix the login bug, case {number}" for number in range(40)]
    (line,) = batched(pointsman, jsonl, policy_file(), texts)
    assert line.startswith("withdrawn: the novelty of these 40 tasks is distributed unlike the calibration data's")
    novelty = np.quantile(router.predictor.read(texts, "fast").novelty, np.linspace(0, 1, 101))
    alike = policy_file(novelty_quantiles=tuple(novelty.tolist()))
    assert batched(pointsman, jsonl, alike, texts) == [
        "mean quality of at least 0.7, with 95% confidence, on 40 of 40 tasks"
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--confidence", "often"), "--confidence is 'often'; expected a probability, or off to never escalate."),
        (("--confidence", "2"), "confidence is 2.0; expected a probability from 0 to 1."),
        (("--target-quality", "0.8", "--trade-usd", "1"), "target_quality solves the dial, and trade_usd sets it"),
        (("--policy", "none.json"), "none.json can't be read"),
        (("--policy", "p", "--trade-usd", "1"), "--policy already says what --trade-usd would; give one or the other."),
        (("--policy", "p", "--strategy", "weighted", "--confidence", "off"), "what --strategy, --confidence would"),
    ],
)
def test_options_that_contradict_each_other_are_refused(pointsman, words, message):
    done = pointsman("route", TEXT, *words)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_workers_read_the_policy_from_the_environment(policy_file, bundle_dir, monkeypatch):
    import pointsman.cli.serve as serve

    routers = []
    monkeypatch.setattr("pointsman.http.create_app", lambda router, alerts: routers.append(router))
    settings = {"BUNDLE": bundle_dir, "PROFILE": "fast", "CONFIDENCE": "off"}
    for name, value in settings.items():
        monkeypatch.setenv(f"POINTSMAN_{name}", str(value))
    serve.app_from_environment()
    monkeypatch.delenv("POINTSMAN_CONFIDENCE")
    monkeypatch.setenv("POINTSMAN_POLICY", str(policy_file()))
    serve.app_from_environment()
    assert routers[0].policy == Policy(confidence=None)
    assert (routers[1].policy.target_quality, routers[1].trade_usd) == (0.7, 0.001)
    assert msgspec.to_builtins(Router.load(bundle_dir, policy=Policy(confidence=None)).policy) == {"confidence": None}
