"""Routers of others on the same rows, where they are installed: LiteLLM's complexity router and its tier predictor.

A peer sorts a text into tiers, and leaves it to whoever configures it which model serves a tier. The models are chosen
here as is best for the peer: at every point of the dial, the model of a tier is the one with the best score against
cost on the tier's train rows. Tiers become complexities the same way, each the commonest label of its training tasks.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Final

import numpy as np

from pointsman.types import COMPLEXITIES
from pointsman_training.evaluation.baselines import Baseline
from pointsman_training.evaluation.complexity import confusion
from pointsman_training.evaluation.learners import group_means
from pointsman_training.evaluation.report import Confusion
from pointsman_training.network import Floats, Integers
from pointsman_training.tasks import LabelledTasks

LITELLM_TIERS: Final = ("SIMPLE", "MEDIUM", "COMPLEX", "REASONING")

NOT_INSTALLED: Final = (
    "LiteLLM's routers aren't among the baselines: LiteLLM isn't installed. Add it with: "
    'pip install "pointsman[peers]"'
)
NO_TEXTS: Final = "LiteLLM's routers aren't among the baselines: they read texts, and the outcomes are feature rows."
_UNKNOWN: Final = "LiteLLM's routers aren't among the baselines: the LiteLLM installed lacks what 1.106 had ({error})."

_HOME: Final = "litellm.router_strategy"


@dataclass(frozen=True)
class Peer:
    """A router that sorts texts into `tiers`, the least first; `tier_of` returns places in `tiers`, (n,)."""

    name: str
    tiers: tuple[str, ...]
    tier_of: Callable[[Sequence[str]], Integers]


def installed_peers() -> tuple[tuple[Peer, ...], str | None]:
    """Return the peers that can be asked, and the reason where there are none.

    LiteLLM would fetch a list of prices when it is imported; it is told to take the one it comes with.
    """
    if find_spec("litellm") is None:
        return (), NOT_INSTALLED
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        return (_complexity_router(), _tier_predictor()), None
    except (ImportError, AttributeError) as error:
        return (), _UNKNOWN.format(error=error)


def peer_baselines(
    peers: Sequence[Peer], learned: tuple[Sequence[str], Floats], fresh: Sequence[str]
) -> Iterator[Baseline]:
    """Yield each peer's chances on the fresh texts: the mean scores of the tier on the `learned` texts and scores."""
    texts, scores = learned
    for peer in peers:
        table = group_means(scores, peer.tier_of(texts), len(peer.tiers))
        tiers = peer.tier_of(fresh)
        counts = np.bincount(tiers, minlength=len(peer.tiers))
        shares = ", ".join(f"{name} {n}" for name, n in zip(peer.tiers, counts.tolist(), strict=True) if n)
        yield Baseline(peer.name, table[tiers], shares)


def peer_complexity(peers: Sequence[Peer], learned: LabelledTasks, fresh: LabelledTasks) -> Iterator[Confusion]:
    """Yield each peer's confusion on the fresh tasks, its tiers read as is best for it on the learned ones."""
    for peer in peers:
        label = commonest_label(peer.tier_of(learned.texts), learned.complexity, len(peer.tiers))
        words = ", ".join(f"{tier} as {COMPLEXITIES[k]}" for tier, k in zip(peer.tiers, label.tolist(), strict=True))
        truth = np.eye(len(COMPLEXITIES))[fresh.complexity]
        yield confusion("labelled tasks", truth, label[peer.tier_of(fresh.texts)], by=f"{peer.name} ({words})")


def commonest_label(tiers: Integers, labels: Integers, count: int) -> Integers:
    """Return for each of `count` tiers the label it has most often, (count,); ties and empty tiers go to the middle.

    Arrays (n,): tiers, and labels as places in `COMPLEXITIES`.
    """
    table = np.zeros((count, len(COMPLEXITIES)))
    np.add.at(table, (tiers, labels), 1)
    table[:, len(COMPLEXITIES) // 2] += 0.5
    labels_by_tier: Integers = table.argmax(axis=1).astype(np.int64)
    return labels_by_tier


def _complexity_router() -> Peer:
    module = import_module(f"{_HOME}.complexity_router.complexity_router")
    router = module.ComplexityRouter(
        "peer",
        litellm_router_instance=None,
        complexity_router_config={"tiers": {tier: tier.lower() for tier in LITELLM_TIERS}},
        derive_savings_baseline=False,
    )

    def tier_of(texts: Sequence[str]) -> Integers:
        return np.array([LITELLM_TIERS.index(router.classify(text)[0].value) for text in texts], dtype=np.int64)

    return Peer("LiteLLM, complexity router", LITELLM_TIERS, tier_of)


def _tier_predictor() -> Peer:
    module = import_module(f"{_HOME}.complexity_router.tier_predictor")
    classify = import_module(f"{_HOME}.adaptive_router.classifier").classify_prompt
    predictor = module.TierSuccessPredictor(module.resolve_tier_artifact("ultrafeedback"))

    def tier_of(texts: Sequence[str]) -> Integers:
        return np.array([predictor.predict(text, classify(text)).required_tier - 1 for text in texts], dtype=np.int64)

    return Peer("LiteLLM, tier predictor", LITELLM_TIERS, tier_of)
