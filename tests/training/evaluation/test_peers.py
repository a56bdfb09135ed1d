from importlib.util import find_spec

import numpy as np
import pytest

from pointsman.types import COMPLEXITIES
from pointsman_training.evaluation.evaluate import Choice, Inputs, evaluate
from pointsman_training.evaluation.learners import PRIOR_COUNT
from pointsman_training.evaluation.peers import (
    NO_TEXTS,
    NOT_INSTALLED,
    Peer,
    commonest_label,
    installed_peers,
    peer_baselines,
    peer_complexity,
)
from pointsman_training.tasks import LabelledTasks

BY_LENGTH = Peer("by length", ("SHORT", "LONG"), lambda texts: np.array([len(text) > 3 for text in texts], dtype=int))


def test_a_tier_is_read_as_the_label_it_has_most_often():
    tiers = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    labels = np.array([0, 0, 2, 2, 0, 2, 2, 1])
    assert [COMPLEXITIES[k] for k in commonest_label(tiers, labels, 4)] == ["simple", "simple", "complex", "medium"]
    assert commonest_label(np.array([0, 0]), np.array([1, 2]), 1).tolist() == [1]


def test_a_peer_is_given_the_mean_scores_of_each_tier_on_the_train_rows():
    scores = np.array([[1, 0], [1, np.nan], [0, 1]], dtype=np.float32)
    (found,) = peer_baselines([BY_LENGTH], (["a", "b", "long"], scores), ["longer", "c", "d"])
    means = np.array([2 / 3, 1 / 2])
    short = (np.array([2, 0]) + PRIOR_COUNT * means) / (np.array([2, 1]) + PRIOR_COUNT)
    long = (np.array([0, 1]) + PRIOR_COUNT * means) / (np.array([1, 1]) + PRIOR_COUNT)
    assert found.chance == pytest.approx(np.array([long, short, short]))
    assert (found.name, found.setting) == ("by length", "SHORT 2, LONG 1")


def labelled(texts, complexity):
    ids = tuple(map(str, range(len(texts))))
    return LabelledTasks(ids, tuple(texts), np.array(complexity), np.zeros(len(texts), dtype=np.int64), {})


def test_a_peers_complexity_is_measured_on_other_tasks_than_its_tiers_were_read_by():
    learned = labelled(["a", "b", "long", "longer"], [0, 0, 2, 2])
    (found,) = peer_complexity([BY_LENGTH], learned, labelled(["c", "longest", "d"], [0, 0, 1]))
    assert found.by == "by length (SHORT as simple, LONG as complex)"
    assert found.mass == ((1, 0, 1), (1, 0, 0), (0, 0, 0))
    assert found.accuracy == pytest.approx(1 / 3)


def test_peers_stand_among_the_baselines_with_intervals(monkeypatch, trained, world):
    monkeypatch.setattr("pointsman_training.evaluation.evaluate.installed_peers", lambda: ((BY_LENGTH,), None))
    report = evaluate(Inputs(trained, [world.outcomes], world.prices, [world.tasks], [world.tasks]), Choice())
    assert [router.name for router in report.routers][-2:] == ["by length", "oracle"]
    assert [difference.baseline for difference in report.differences][-2:] == ["by length", "oracle"]
    assert [confusion.by for confusion in report.complexity][2:] == ["by length (SHORT as medium, LONG as medium)"]


@pytest.mark.skipif(find_spec("litellm") is not None, reason="LiteLLM is installed here")
def test_without_litellm_the_reason_names_what_to_install():
    assert installed_peers() == ((), NOT_INSTALLED)
    assert 'pip install "pointsman[peers]"' in NOT_INSTALLED
    assert "feature rows" in NO_TEXTS


@pytest.mark.skipif(find_spec("litellm") is None, reason='LiteLLM is missing: pip install "pointsman[peers]"')
@pytest.mark.filterwarnings("ignore")
def test_litellms_routers_sort_texts_into_their_tiers():
    peers, reason = installed_peers()
    assert reason is None
    assert [peer.name for peer in peers] == ["LiteLLM, complexity router", "LiteLLM, tier predictor"]
    for peer in peers:
        tiers = peer.tier_of(["Hello!", "Design a distributed consensus protocol, step by step. " * 20])
        assert tiers[0] == 0 and tiers[1] in range(len(peer.tiers))
