"""What the trained bundle reaches: cross-validated, on the dev split, and on tasks held out entirely."""

from typing import Any

import numpy as np
from scipy.stats import spearmanr

from pointsman.prediction.predictor import Depth
from pointsman_training.crossfit import DEPTHS
from pointsman_training.examples import Dataset
from pointsman_training.heads import Outputs
from pointsman_training.learned import Learned, fleet_outcomes
from pointsman_training.metrics import auc, ece, log_loss, mean_over_models, routing_curve
from pointsman_training.network import Integers
from pointsman_training.stack import by_one_learner
from pointsman_training.tables import Features
from pointsman_training.tasks import LabelledTasks


def measure(
    dataset: Dataset, learned: Learned, held_out_tasks: LabelledTasks, held_out_features: Features
) -> dict[str, Any]:
    """Return all metrics as plain data, per depth.

    "cross_validated" figures are of rows whose group the heads never saw; abilities and stacks (a handful of numbers a
    model) saw them. "dev" and "held_out_tasks" were seen by nothing.
    """
    home = dataset.sources == dataset.main_source
    train, dev = np.flatnonzero(home & dataset.is_train), np.flatnonzero(home & ~dataset.is_train)
    metrics: dict[str, Any] = {
        "source": dataset.main_source,
        "fleet": list(learned.fleet.names),
        "trade_usd": learned.trade_usd,
        "deep_share_in_auto": learned.deep_share,
    }
    for depth in DEPTHS:
        of_depth: dict[str, Any] = {
            "cross_validated": _routing(dataset, learned, depth, train, learned.held_out[depth].take(train))
        }
        if len(dev):
            outputs = learned.heads[depth](getattr(dataset.features, depth)[dev], dataset.examples.counts[dev])
            of_depth["dev"] = _routing(dataset, learned, depth, dev, outputs)
        of_depth["complexity"] = _complexity(dataset, learned, depth, held_out_tasks, held_out_features)
        shares = learned.quality[depth].shares[learned.fleet.models].mean(axis=0)
        of_depth["weights"] = dict(zip(("network", "boosting", "kernel"), map(float, shares), strict=True))
        of_depth["learners_alone"] = _ablation(dataset, learned, depth, train)
        metrics[depth] = of_depth
    return metrics


def measured_without_dev(without: dict[str, Any], final: dict[str, Any]) -> dict[str, Any]:
    """Return the metrics of the final heads, with the dev figures of heads that hadn't learned from the dev split."""
    return final | {depth: final[depth] | {"dev": without[depth]["dev"]} for depth in DEPTHS if "dev" in without[depth]}


def _routing(dataset: Dataset, learned: Learned, depth: Depth, rows: Integers, outputs: Outputs) -> dict[str, float]:
    scores, costs = fleet_outcomes(dataset, learned.fleet, rows)
    chances = learned.chances(depth, outputs)
    curve = routing_curve(chances, scores, costs, learned.predicted_costs(outputs, dataset.input_tokens[rows]))
    difficulty = 1 - np.nanmean(scores, axis=1)
    return {
        "prompts": len(rows),
        "log_loss": mean_over_models(log_loss, chances, scores),
        "auc": mean_over_models(auc, chances, scores),
        "ece": mean_over_models(ece, chances, scores),
        "difficulty_spearman": float(spearmanr(-chances.mean(axis=1), difficulty, nan_policy="omit").statistic),
        "cost_at_95": curve.relative_cost_at(0.95),
        "cost_at_98": curve.relative_cost_at(0.98),
        "cost_at_100": curve.relative_cost_at(1.0),
        "best_single_quality": curve.best_single_quality,
        "best_quality_gain": curve.gain,
    }


def _ablation(dataset: Dataset, learned: Learned, depth: Depth, rows: Integers) -> dict[str, dict[str, float]]:
    """Return cross-validated log-loss and AUC of each learner alone."""
    columns = learned.fleet.columns
    scores = dataset.examples.scores[rows]
    alone = by_one_learner(learned.held_out[depth].take(rows), scores, learned.abilities, columns)
    return {
        name: {
            "log_loss": mean_over_models(log_loss, chances, scores[:, columns]),
            "auc": mean_over_models(auc, chances, scores[:, columns]),
        }
        for name, chances in alone.items()
    }


def _complexity(
    dataset: Dataset, learned: Learned, depth: Depth, held_out_tasks: LabelledTasks, held_out_features: Features
) -> dict[str, float]:
    result: dict[str, float] = {}
    tasks = np.flatnonzero(dataset.is_task)
    if len(tasks):
        outputs = learned.held_out[depth].take(tasks)
        predicted = learned.complexity[depth].logits(outputs).argmax(axis=1)
        labels = dataset.examples.complexity[tasks].argmax(axis=1)
        result["cross_validated_accuracy"] = float((predicted == labels).mean())
        result["cross_validated_off_by_two"] = float((np.abs(predicted - labels) == 2).mean())
        types = dataset.examples.type[tasks].argmax(axis=1)
        result["cross_validated_type_accuracy"] = float((outputs.type.argmax(axis=1) == types).mean())
    if len(held_out_tasks):
        outputs = learned.heads[depth](getattr(held_out_features, depth), held_out_features.counts)
        predicted = learned.complexity[depth].logits(outputs).argmax(axis=1)
        result["held_out_tasks"] = len(held_out_tasks)
        result["held_out_accuracy"] = float((predicted == held_out_tasks.complexity).mean())
        result["held_out_off_by_two"] = float((np.abs(predicted - held_out_tasks.complexity) == 2).mean())
        result["held_out_type_accuracy"] = float((outputs.type.argmax(axis=1) == held_out_tasks.type).mean())
    return result
