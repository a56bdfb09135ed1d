"""The report's tables as headings and rows of text, shared by terminal and page."""

import math
from dataclasses import dataclass

from pointsman_training.evaluation.report import Confusion, Report, RouterFigures
from pointsman_training.evaluation.words import number as _n
from pointsman_training.evaluation.words import signed as _signed


@dataclass(frozen=True)
class Table:
    """A table: its title, headings, rows; the first `texts` columns are words, the others numbers."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int = 1


def headline(report: Report) -> str:
    """Return in one line what was measured, and the warning first where the bundle has seen the rows."""
    setup = report.setup
    warning = {True: "", False: "NOT HELD OUT: the bundle learned from these rows. ", None: ""}[setup.is_unseen]
    return (
        f"{warning}Bundle {setup.bundle}, profile {setup.profile}, on {setup.prompts:,} prompts ({setup.groups:,} "
        f"groups) of {setup.source}, split {setup.split}. Reference: {setup.reference}. Pair: {setup.pair[0]} against "
        f"{setup.pair[1]}. Intervals: 95 %, {setup.draws:,} draws of groups, seed {setup.seed}."
    )


def tables(report: Report) -> tuple[Table, ...]:
    """Return all tables, in the order in which they are read."""
    return (
        _routing(report), _pools(report), _differences(report), _standing(report), _prediction(report),
        _models(report), _reliability(report), _slices(report), _policy(report),
        _escalation(report),
        *([_sources(report)] if report.sources else []), *map(_confusion, report.complexity),
    )  # fmt: skip


def _routing(report: Report) -> Table:
    return Table(
        "Routing: cost relative to the reference at 95 / 98 / 100 % of its quality",
        ("router", "setting", "at 95 %", "at 98 %", "at 100 %", "CostSave", "PerfGain", "best score", "Gap@O"),
        tuple(
            (r.name, r.setting, _n(r.cost_at_95), _n(r.cost_at_98), _n(r.cost_at_100), _n(r.cost_save, ".1%"),
             _n(r.perf_gain, "+.1%"), _n(r.best_quality), _n(r.gap_to_oracle, ".1%"))
            for r in report.routers
        ),
        texts=2,
    )  # fmt: skip


def _pools(report: Report) -> Table:
    return Table(
        "The pair, and the whole curve",
        ("router", "APGR", "CPT(50)", "CPT(80)", "share of oracle's gain", "AIQ, true", "AIQ, published code"),
        tuple(
            (r.name, _n(r.apgr), _n(r.cpt50, ".1%"), _n(r.cpt80, ".1%"), _n(r.ogc, ".1%"), _n(r.aiq_true, ".4f"),
             _n(r.aiq_published, ".4f"))
            for r in report.routers
        ),
    )  # fmt: skip


def _differences(report: Report) -> Table:
    return Table(
        "Pointsman minus baseline, paired, 95 % intervals; * excludes 0 (log-loss and cost: below 0 is better)",
        ("baseline", "log-loss", "APGR", "cost at 98 %"),
        tuple((d.baseline, _signed(d.log_loss, 4), _signed(d.apgr), _signed(d.cost_at_98)) for d in report.differences),
    )


def _standing(report: Report) -> Table:
    standing = report.standing
    named = {
        "log-loss": standing.log_loss, "APGR": standing.apgr, "cost at 95 %": standing.cost_at_95,
        "cost at 98 %": standing.cost_at_98, "cost at 100 %": standing.cost_at_100,
    }  # fmt: skip
    return Table(
        "Pointsman, 95 % intervals",
        ("figure", "value", "from", "to"),
        tuple((name, _n(i.value), _n(i.low), _n(i.high)) for name, i in named.items()),
    )


def _prediction(report: Report) -> Table:
    pooled = report.pooled
    rows: list[tuple[str, ...]] = [
        (
            "Pointsman, all models pooled",
            _n(pooled.log_loss, ".4f"),
            _n(pooled.brier, ".4f"),
            _n(pooled.ece),
            _n(pooled.auc),
        )
    ]
    rows += [_predicts(router) for router in report.routers if router.prediction]
    title = (
        f"Prediction, means over models. Spearman with empirical difficulty {report.difficulty_spearman:.3f}; "
        f"output tokens off by a median factor of {_n(math.exp(report.token_error), '.2f')}"
    )
    return Table(title, ("router", "log-loss", "Brier", "ECE", "AUC"), tuple(rows))


def _predicts(router: RouterFigures) -> tuple[str, ...]:
    p = router.prediction
    if p is None:
        return (router.name, "–", "–", "–", "–")
    return (router.name, _n(p.log_loss, ".4f"), _n(p.brier, ".4f"), _n(p.ece), _n(p.auc))


def _models(report: Report) -> Table:
    return Table(
        "Models, as Pointsman predicts them; token error is the median |ln(expected / real)|",
        ("model", "score", "USD per 1,000 tasks", "log-loss", "Brier", "ECE", "AUC", "token error"),
        tuple(
            (m.name, _n(m.quality), _n(m.cost_usd * 1000), _n(m.prediction.log_loss, ".4f"),
             _n(m.prediction.brier, ".4f"), _n(m.prediction.ece), _n(m.prediction.auc), _n(m.token_error))
            for m in report.models
        ),
    )  # fmt: skip


def _reliability(report: Report) -> Table:
    return Table(
        "Reliability, all models pooled",
        ("bin", "predicted", "observed", "share"),
        tuple(
            (str(i), _n(b.predicted), _n(b.observed), _n(b.share, ".1%")) for i, b in enumerate(report.reliability, 1)
        ),
    )


def _slices(report: Report) -> Table:
    return Table(
        f"Slices; the policy takes quality 1.0 to be worth ${report.setup.trade_usd:.4g}; cost in USD per 1,000 tasks",
        ("kind", "slice", "prompts", "log-loss", "AUC", "score", "cost", "reference's score", "its cost"),
        tuple(
            (s.kind, s.name, f"{s.prompts:,}", _n(s.log_loss), _n(s.auc), _n(s.quality), _n(s.cost_usd * 1000),
             _n(s.reference_quality), _n(s.reference_cost_usd * 1000))
            for s in report.slices
        ),
        texts=2,
    )  # fmt: skip


def _policy(report: Report) -> Table:
    policy = report.policy
    return Table(
        f"The default policy: score {_n(policy.quality)} at ${_n(policy.cost_usd * 1000)} per 1,000 tasks; call shares "
        f"have an entropy of {_n(policy.entropy_bits, '.2f')} bits. Of the {policy.hard_prompts:,} prompts that at "
        f"most a fifth of the models solves, it solves {_n(policy.hard_recall, '.1%')}, the reference "
        f"{_n(policy.reference_hard_recall, '.1%')}",
        ("model", "share of calls"),
        tuple((model, _n(share, ".1%")) for model, share in policy.call_shares.items()),
    )


def _sources(report: Report) -> Table:
    return Table(
        "Prediction by source: all its models that the bundle knows, cells pooled",
        ("source", "prompts", "models", "mean score", "log-loss", "Brier", "ECE", "AUC", "Spearman with difficulty"),
        tuple(
            (s.name, f"{s.prompts:,}", str(s.models), _n(s.mean_score), _n(s.prediction.log_loss, ".4f"),
             _n(s.prediction.brier, ".4f"), _n(s.prediction.ece), _n(s.prediction.auc), _n(s.difficulty_spearman))
            for s in report.sources
        ),
    )  # fmt: skip


def _confusion(confusion: Confusion) -> Table:
    return Table(
        f"{confusion.by}: complexity against {confusion.truth} ({confusion.prompts:,} prompts), "
        f"accuracy {confusion.accuracy:.1%} of at most {confusion.greatest_accuracy:.1%}, "
        f"off by two {confusion.off_by_two:.1%}",
        ("truly", *(f"predicted {label}" for label in confusion.labels)),
        tuple(
            (label, *(_n(mass, ".1f").removesuffix(".0") for mass in row))
            for label, row in zip(confusion.labels, confusion.mass, strict=True)
        ),
    )


def _escalation(report: Report) -> Table:
    rows = tuple(
        (
            "off" if row.threshold is None else f"{row.threshold:g}",
            f"{row.share:.1%}",
            f"{row.quality:.4f}",
            f"{1000 * row.cost_usd:.4f}",
            f"{row.dial_quality:.4f}",
        )
        for row in report.escalation
    )
    heads = ("threshold", "escalated", "quality", "USD per 1,000 tasks", "quality of the dial alone for no more")
    return Table("Escalation before the call, at the bundle's dial", heads, rows, texts=1)
