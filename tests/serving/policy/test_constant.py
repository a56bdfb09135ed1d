import msgspec
import numpy as np
import pytest

from pointsman import Constraints, Policy, Router, Task, load_fleet
from pointsman.errors import BundleError
from pointsman.policy import Candidates, constant_first
from pointsman.prediction import read_bundle, write_bundle

SAYS_SO = "This bundle serves gpt-4o always: on held-out outcomes nothing beat it."
TASKS = [
    Task(text, id=str(number))
    for number, text in enumerate(
        ["Fix the login bug", "Say hello", "Prove that every finite integral domain is a field.", "2 + 2 = ?"]
    )
]


@pytest.fixture(scope="module")
def constant_bundle(router):
    manifest = msgspec.structs.replace(router.bundle.manifest, constant="gpt-4o")
    return msgspec.structs.replace(router.bundle, manifest=manifest)


@pytest.fixture(scope="module")
def serving(constant_bundle, router):
    return Router(constant_bundle, router.fleet)


def test_the_constant_moves_to_the_front_where_it_is_able_and_the_others_keep_their_order():
    orders = np.array([[2, 0, 1], [1, 2, 0], [0, 2, 1]])
    able = np.array([[True, True, True], [True, True, True], [True, False, True]])
    empty = np.zeros((3, 3))
    candidates = Candidates(empty, empty, empty, empty, able)
    assert constant_first(orders, candidates, 1).tolist() == [[1, 2, 0], [1, 2, 0], [0, 2, 1]]
    assert constant_first(orders[:0], Candidates(*[empty[:0]] * 4, able[:0]), 1).shape == (0, 3)


def test_a_bundle_with_a_constant_serves_it_for_every_task_and_says_so(serving, router):
    usual = router.route_many(TASKS)
    assert {decision.model for decision in usual} != {"gpt-4o"}
    decisions = serving.route_many(TASKS)
    for decision in decisions:
        assert decision.model == "gpt-4o"
        assert decision.reason.endswith(SAYS_SO)
        assert "isn't worth" not in decision.reason
        utilities = [candidate.utility for candidate in decision.candidates[1:]]
        assert utilities == sorted(utilities, reverse=True)
        assert sorted((decision.model, *decision.fallbacks)) == sorted(card.id for card in router.fleet.cards)
    alone = [serving.route(task) for task in TASKS]
    assert [(d.model, d.fallbacks, d.reason) for d in decisions] == [(d.model, d.fallbacks, d.reason) for d in alone]


def test_nothing_is_read_deep_for_a_choice_that_no_prediction_changes(serving):
    assert {decision.profile for decision in serving.route_many(TASKS)} == {"fast"}


@pytest.mark.parametrize(
    "task",
    [
        Task("Say hello", constraints=Constraints(exclude=("gpt-4o",))),
        Task("Say hello", budget_usd=0.0001),
    ],
)
def test_where_the_constant_is_not_able_the_greatest_utility_wins_and_the_reason_says_why(serving, router, task):
    ours, usual = serving.route(task), router.route(task)
    assert (ours.model, ours.fallbacks) == (usual.model, usual.fallbacks)
    assert ours.reason == f"{usual.reason} This bundle serves gpt-4o always, which isn't able here."


@pytest.mark.parametrize(
    "policy", [Policy(strategy="quality-first"), Policy(strategy="weighted"), Policy(trade_usd=0.002)]
)
def test_a_strategy_or_dial_that_the_caller_names_is_the_callers(constant_bundle, router, policy):
    ours = Router(constant_bundle, router.fleet, policy=policy).route_many(TASKS)
    usual = Router(router.bundle, router.fleet, policy=policy).route_many(TASKS)
    assert [(d.model, d.reason) for d in ours] == [(d.model, d.reason) for d in usual]


def test_a_fleet_without_the_constant_is_routed(constant_bundle):
    current = load_fleet("current")
    assert "gpt-4o" not in current.ids
    decision = Router(constant_bundle, current).route(TASKS[0])
    assert "always" not in decision.reason


def test_a_constant_survives_writing_and_is_left_out_where_there_is_none(bundle_dir, tmp_path):
    bundle = read_bundle(bundle_dir)
    contents = {name: (bundle_dir / name).read_bytes() for name in bundle.manifest.files}
    marked = msgspec.structs.replace(bundle.manifest, constant="gpt-4o")
    assert read_bundle(write_bundle(tmp_path / "marked", marked, contents)).manifest.constant == "gpt-4o"
    plain = write_bundle(tmp_path / "plain", bundle.manifest, contents)
    assert "constant" not in msgspec.json.decode((plain / "manifest.json").read_bytes())
    assert read_bundle(plain).digest == bundle.digest


def test_a_constant_that_the_bundle_does_not_know_is_refused(bundle_dir, tmp_path):
    bundle = read_bundle(bundle_dir)
    contents = {name: (bundle_dir / name).read_bytes() for name in bundle.manifest.files}
    with pytest.raises(BundleError, match="constant is 'gpt-9', a model it has no ability of"):
        write_bundle(tmp_path / "b", msgspec.structs.replace(bundle.manifest, constant="gpt-9"), contents)
    assert not (tmp_path / "b").exists()


def test_bundle_show_says_what_is_served(bundle_dir, tmp_path, capsys):
    from pointsman.cli import main

    bundle = read_bundle(bundle_dir)
    contents = {name: (bundle_dir / name).read_bytes() for name in bundle.manifest.files}
    write_bundle(tmp_path / "b", msgspec.structs.replace(bundle.manifest, constant="gpt-4o"), contents)
    assert main(["bundle", "show", str(tmp_path / "b")]) == 0
    assert "gpt-4o always" in " ".join(capsys.readouterr().out.split())
