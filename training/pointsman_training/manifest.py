"""What was learned → manifest and files of a bundle, its card included."""

from typing import Any, Final

import numpy as np

from pointsman.prediction import FEATURE_VERSION, Manifest
from pointsman.prediction.bundle import BUNDLE_FORMAT, CARD, GRAPH, TOKENIZER, Ability, Layout
from pointsman.types import COMPLEXITIES, TASK_TYPES
from pointsman_training.dials import KEPT_GAIN, KEPT_QUALITY
from pointsman_training.encode import Encoder
from pointsman_training.examples import Dataset
from pointsman_training.gate.constant import worth_words
from pointsman_training.learned import Learned
from pointsman_training.novelty import Novelty
from pointsman_training.priors import benchmark_priors, typical_demand
from pointsman_training.promise import cross_fitted_promises

_DIGITS: Final = 6


def bundle_contents(
    graph: bytes,
    encoder: Encoder,
    dataset: Dataset,
    learned: Learned,
    novelty: Novelty,
    metrics: dict[str, Any],
    training: dict[str, Any],
) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest (without file digests) and the contents of graph.onnx, tokenizer.json and card.md."""
    factors = len(learned.length.vectors)
    manifest = Manifest(
        format=BUNDLE_FORMAT,
        feature_version=FEATURE_VERSION,
        encoder=encoder.spec,
        layout=Layout(len(learned.quality["deep"].vectors), factors, len(TASK_TYPES), len(COMPLEXITIES)),
        complexities=COMPLEXITIES,
        types=TASK_TYPES,
        abilities=abilities_of(dataset, learned),
        price_prior=learned.price_prior,
        novelty_quantiles=tuple(round(value, _DIGITS) for value in novelty.quantiles),
        trade_usd=learned.trade_usd,
        deep_margin=learned.deep_margin,
        files={},
        training=training,
        typical_demand=typical_demand(dataset, learned),
        benchmark_priors=benchmark_priors(dataset, learned),
        metrics=metrics | ({"worth_of_routing": learned.worth.figures} if learned.worth else {}),
        constant=learned.worth.constant if learned.worth else None,
        promise=cross_fitted_promises(dataset, learned, novelty),
    )
    card = _card(manifest).encode()
    return manifest, {GRAPH: graph, TOKENIZER: encoder.tokenizer_json.encode(), CARD: card}


def abilities_of(dataset: Dataset, learned: Learned) -> dict[str, Ability]:
    """Return the ability of every model with outcomes in the training rows, numbers rounded to six digits."""
    fast, deep, length = learned.quality["fast"], learned.quality["deep"], learned.length
    models_of_columns = np.array([model for _, model in dataset.columns])
    seen = np.isfinite(dataset.examples.scores) & (dataset.is_train & ~dataset.is_task)[:, np.newaxis]
    abilities = {}
    for index, model in enumerate(deep.models):
        columns = np.flatnonzero((models_of_columns == model) & seen.any(axis=0))
        abilities[model] = Ability(
            fast_bias=_rounded(fast.biases[index]),
            fast_vector=tuple(map(_rounded, fast.vectors[:, index])),
            deep_bias=_rounded(deep.biases[index]),
            deep_vector=tuple(map(_rounded, deep.vectors[:, index])),
            length_bias=_rounded(length.biases[index]),
            length_vector=tuple(map(_rounded, length.vectors[:, index])),
            outcomes=int(seen[:, columns].sum()),
            sources=tuple(dataset.columns[column][0] for column in columns),
        )
    return abilities


def _rounded(value: float) -> float:
    return round(float(value), _DIGITS)


def _card(manifest: Manifest) -> str:
    metrics, training = manifest.metrics, manifest.training
    lines = [
        "# Model card",
        "",
        f"Encoder {manifest.encoder.model}, token table (fast) and layer {manifest.encoder.layer} (deep), int8, "
        f"{manifest.encoder.max_tokens} tokens. Heads: gradient boosting, kernel regression and a one-hidden-layer "
        "network, stacked.",
        f"Learned from {training['outcomes']:,} outcomes on {training['prompts']:,} prompts and {training['tasks']:,} "
        f"labelled tasks; abilities of {len(manifest.abilities)} models. Seed {training['seed']}.",
        "",
        f"## Routing quality on {metrics['source']}",
        "",
        f"Fleet: {', '.join(metrics['fleet'])}. Cost is relative to the best single model's at 95 / 98 / 100 % of its "
        "quality; gain is the curve's best quality minus that model's. Cross-validated: groups of near-duplicates "
        f"held out in {training['folds']} folds. Dev: measured before anything learned "
        "from it.",
        "",
        "| depth | rows | prompts | log-loss | AUC | ECE | cost at 95 / 98 / 100 % | gain | Spearman with difficulty |",
        "|---|---|---:|---:|---:|---:|---|---:|---:|",
    ]
    for depth in ("fast", "deep"):
        for rows in ("cross_validated", "dev"):
            if rows in metrics[depth]:
                lines.append(_routing_line(depth, rows, metrics[depth][rows]))
    lines += ["", "Each learner alone, cross-validated, and its mean weight in the stack:", ""]
    lines += ["| depth | learner | log-loss | AUC | weight |", "|---|---|---:|---:|---:|"]
    for depth in ("fast", "deep"):
        for name, alone in metrics[depth]["learners_alone"].items():
            weight = metrics[depth]["weights"][name]
            lines.append(f"| {depth} | {name} | {alone['log_loss']:.4f} | {alone['auc']:.4f} | {weight:.2f} |")
    lines += [
        *(["", worth_words(metrics["worth_of_routing"])] if "worth_of_routing" in metrics else []),
        "",
        "## Complexity of tasks",
        "",
        "| depth | rows | accuracy | off by two | type accuracy |",
        "|---|---|---:|---:|---:|",
    ]
    for depth in ("fast", "deep"):
        lines += _complexity_lines(depth, metrics[depth]["complexity"])
    lines += [
        "",
        "## Export",
        "",
        f"Largest relative difference between graph and Python on {metrics['parity']['texts']:,} texts at both depths: "
        f"{metrics['parity']['largest_difference']:.1g}.",
        f"In `auto`, {metrics['deep_share_in_auto']:.0%} of the held-out prompts are read deep, which keeps "
        f"{KEPT_GAIN:.0%} of what reading all of them deep gains.",
        f"Dial: quality 1.0 is worth {manifest.trade_usd:.4g} USD per task by default, the least that keeps "
        f"{KEPT_QUALITY:.0%} of the best single model's quality on held-out prompts.",
        "",
        "## Limits",
        "",
        "- Quality is learned from public benchmarks with gold answers, mostly in English; on other work it is an "
        "extrapolation guided by the labelled tasks' rubric. Train on your own outcomes before you rely on it.",
        "- A score depends on how a model was asked. Qualities are on the scale of the main source.",
        "- Complexity labels are the authors'; real traffic is less clear-cut than labelled tasks.",
        "",
    ]
    return "\n".join(lines)


def _routing_line(depth: str, rows: str, m: dict[str, float]) -> str:
    costs = " / ".join(f"{m[f'cost_at_{share}']:.3f}" for share in (95, 98, 100))
    return (
        f"| {depth} | {rows.replace('_', '-')} | {m['prompts']:,} | {m['log_loss']:.4f} | {m['auc']:.4f} | "
        f"{m['ece']:.3f} | {costs} | {m['best_quality_gain']:+.4f} | {m['difficulty_spearman']:.3f} |"
    )


def _complexity_lines(depth: str, m: dict[str, float]) -> list[str]:
    lines = []
    if "cross_validated_accuracy" in m:
        lines.append(
            f"| {depth} | cross-validated | {m['cross_validated_accuracy']:.1%} | "
            f"{m['cross_validated_off_by_two']:.1%} | {m['cross_validated_type_accuracy']:.1%} |"
        )
    if "held_out_accuracy" in m:
        lines.append(
            f"| {depth} | {m['held_out_tasks']} tasks by another author | {m['held_out_accuracy']:.1%} | "
            f"{m['held_out_off_by_two']:.1%} | {m['held_out_type_accuracy']:.1%} |"
        )
    return lines
