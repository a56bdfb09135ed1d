"""The report as plain frozen data: what was measured on, every figure, and the caveats a reader needs beside them."""

from dataclasses import dataclass

import msgspec

from pointsman_training.evaluation.bootstrap import Interval


@dataclass(frozen=True)
class Setup:
    """What was evaluated, and on which rows.

    `is_unseen` is True where the bundle's manifest shows that it learned nothing from these rows, False where it shows
    that it did, None where it can't be known. Relative costs are against `reference`; `pair` is (strong, weak).
    """

    bundle: str
    profile: str
    source: str
    split: str
    prompts: int
    groups: int
    left_out: int
    learned_rows: int
    is_unseen: bool | None
    models: tuple[str, ...]
    reference: str
    pair: tuple[str, str]
    draws: int
    seed: int
    trade_usd: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Prediction:
    """How good chances are: log-loss in nats, Brier score, calibration error over 15 equal-mass bins, AUC."""

    log_loss: float
    brier: float
    ece: float
    auc: float


@dataclass(frozen=True)
class ModelFigures:
    """One model: its mean score and cost, the bundle's prediction of it, and the error of its expected tokens."""

    name: str
    quality: float
    cost_usd: float
    prediction: Prediction
    token_error: float


@dataclass(frozen=True)
class Bin:
    """One line of the reliability table, all models pooled."""

    predicted: float
    observed: float
    share: float


@dataclass(frozen=True)
class RouterFigures:
    """One router. Undefined figures are NaN; `prediction`, means over models, is None where it predicts nothing."""

    name: str
    setting: str
    prediction: Prediction | None
    apgr: float
    cpt50: float
    cpt80: float
    ogc: float
    aiq_true: float
    aiq_published: float
    cost_at_95: float
    cost_at_98: float
    cost_at_100: float
    cost_save: float
    perf_gain: float
    best_quality: float
    gap_to_oracle: float


@dataclass(frozen=True)
class Points:
    """A curve in mean USD per task and mean score."""

    cost_usd: tuple[float, ...]
    quality: tuple[float, ...]


@dataclass(frozen=True)
class Line:
    """The points of one router, and their non-decreasing hull."""

    name: str
    points: Points
    hull: Points


@dataclass(frozen=True)
class Slice:
    """Rows of one kind: prediction (means over models); score and cost of the default policy and the reference."""

    kind: str
    name: str
    prompts: int
    log_loss: float
    auc: float
    quality: float
    cost_usd: float
    reference_quality: float
    reference_cost_usd: float


@dataclass(frozen=True)
class Standing:
    """Pointsman's own figures with intervals."""

    log_loss: Interval
    apgr: Interval
    cost_at_95: Interval
    cost_at_98: Interval
    cost_at_100: Interval


@dataclass(frozen=True)
class Difference:
    """Pointsman minus one baseline, paired: below 0 is better for log-loss and cost, above 0 for APGR."""

    baseline: str
    log_loss: Interval | None
    apgr: Interval
    cost_at_98: Interval


@dataclass(frozen=True)
class DefaultPolicy:
    """What the bundle's own dial gets: mean score and cost, and the share of calls of each model, greatest first.

    `entropy_bits` is of these shares; `hard_recall` the share it solves of the `hard_prompts`, which some model solves,
    but at most a fifth of them.
    """

    quality: float
    cost_usd: float
    call_shares: dict[str, float]
    entropy_bits: float
    hard_prompts: int
    hard_recall: float
    reference_hard_recall: float


@dataclass(frozen=True)
class Confusion:
    """Complexity as it is (rows) and as predicted (columns): mass of prompts, of classes in the order of `labels`.

    Where the truth is shares of classes, a prompt's mass is shared out; accuracy and off by two are of the whole mass,
    and nobody can reach more than `greatest_accuracy`.
    """

    by: str
    truth: str
    prompts: int
    labels: tuple[str, ...]
    mass: tuple[tuple[float, ...], ...]
    accuracy: float
    greatest_accuracy: float
    off_by_two: float


@dataclass(frozen=True)
class SourceFigures:
    """One source: prediction of all models that it has in common with the bundle, cells pooled."""

    name: str
    prompts: int
    models: int
    mean_score: float
    prediction: Prediction
    difficulty_spearman: float


@dataclass(frozen=True)
class EscalationFigures:
    """One threshold (None: off): the share that escalates, mean quality, mean real cost in USD.

    `dial_quality` is the quality that the dial alone reaches for no more money, without escalation.
    """

    threshold: float | None
    share: float
    quality: float
    cost_usd: float
    dial_quality: float


@dataclass(frozen=True)
class Report:
    """Everything; Pointsman is the first of `routers`."""

    setup: Setup
    pooled: Prediction
    token_error: float
    difficulty_spearman: float
    models: tuple[ModelFigures, ...]
    reliability: tuple[Bin, ...]
    routers: tuple[RouterFigures, ...]
    lines: tuple[Line, ...]
    slices: tuple[Slice, ...]
    policy: DefaultPolicy
    escalation: tuple[EscalationFigures, ...]
    complexity: tuple[Confusion, ...]
    sources: tuple[SourceFigures, ...]
    standing: Standing
    differences: tuple[Difference, ...]

    def to_json(self) -> bytes:
        """Return the report as indented JSON; what is undefined is null."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)
