"""Cold start: leave one model out, then show it 0, 20, 50 and 200 of the model's scored prompts.

Prompts are of the dev split, so that the graph hasn't seen them: part of them is fitted on, the rest measured, in
`DRAWS` draws by group. What is left out is the model's ability; the demands were learned with its outcomes among
others, unless the protocol is strict: then everything is learned again without them, once for every model.
"""

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from pointsman.errors import InvalidOutcomes
from pointsman.prediction import read_bundle
from pointsman.prediction.predictor import Depth
from pointsman_training.evaluation.evaluate import unseen
from pointsman_training.evaluation.leaving_out import NOTHING, Setting, cases, relearner
from pointsman_training.evaluation.left_out import COUNTS, LeftOut, Trial, constant_trial, full_trial, trials
from pointsman_training.evaluation.protocols.protocol import Inputs, Options, ProtocolReport
from pointsman_training.evaluation.rows import fleet_of, main_source
from pointsman_training.evaluation.tables import Table
from pointsman_training.outcomes import read_outcomes
from pointsman_training.prices import read_prices
from pointsman_training.tasks import read_tasks

DRAWS: Final = 10
_FIT_SHARE: Final = 0.5
_FEWEST_GROUPS: Final = 4
_LOGITS: Final = "Logit ± is the stated deviation, logit error the distance from the full-data logits."
_Measured = tuple[str, list[list[Trial]]]
"""A model and, for every draw, its trials: all outcomes, the constant, then everything fitted."""


class Figures(msgspec.Struct, frozen=True):
    """Means over models and draws of one predictor fitted on `prompts` scored prompts.

    A share is of what all outcomes gain: (AUC − .5) / (full AUC − .5), and for log-loss that gained on the model's mean
    score. Others as in `Trial`; deviations and logit errors are root mean squares.
    """

    predictor: str
    prompts: int
    auc: float
    auc_share: float
    log_loss: float
    log_loss_share: float
    level_error: float
    deviation: float
    logit_error: float
    token_error: float


class ModelShares(msgspec.Struct, frozen=True):
    """One model: AUC of all outcomes, and the share of its gain at each of `COUNTS`, nothing known beside scores."""

    model: str
    full_auc: float
    auc_shares: tuple[float, ...]


class ColdStartReport(ProtocolReport, frozen=True, kw_only=True, tag="cold-start"):
    """The protocol's result; `full` and `constant` are what shares are between."""

    bundle: str
    source: str
    profile: Depth
    is_strict: bool
    prompts: int
    draws: int
    seed: int
    full: Figures
    constant: Figures
    figures_by_count: tuple[Figures, ...]
    models: tuple[ModelShares, ...]

    @property
    def headline(self) -> str:
        """What was measured, on what, in one line."""
        kind = "everything learned again without the model" if self.is_strict else "its ability left out"
        return (
            f"Bundle {self.bundle}, profile {self.profile}: {len(self.models)} models of {self.source}, one at a time, "
            f"{kind}; {self.draws} draws of {self.prompts:,} dev prompts, seed {self.seed}."
        )

    @property
    def tables(self) -> tuple[Table, ...]:
        """All figures, in the order in which they are read."""
        counted = [(str(row.prompts), *_cells(row)) for row in self.figures_by_count]
        ends = [("all", *_cells(self.full)), ("–", *_cells(self.constant))]
        heads = ("scored prompts", "predictor", "AUC", "share", "log-loss", "share", "level error", "logit ±",
                 "logit error", "token error")  # fmt: skip
        return (
            Table("After a few scored prompts; shares are of the gain of all outcomes", heads, (*counted, *ends), 2),
            Table(
                f"Share of the AUC gain by model, {NOTHING} beside scores",
                ("model", "full AUC", *(f"after {count}" for count in COUNTS)),
                tuple((m.model, _n(m.full_auc), *(_n(s, ".1%") for s in m.auc_shares)) for m in self.models),
            ),
        )


def run(inputs: Inputs, options: Options) -> ColdStartReport:
    """Return the report on the models of the default fleet, or all that qualify, in the bundle's main source.

    Raises:
        PointsmanError: inputs can't be read, or hold too few dev prompts to fit and measure on.
    """
    bundle, outcomes, prices = read_bundle(inputs.bundle), read_outcomes(inputs.outcomes), read_prices(inputs.prices)
    source = main_source(bundle.manifest, outcomes, options.source)
    fleet = fleet_of(bundle.manifest, outcomes, prices, source, None)
    rows = np.flatnonzero((outcomes.sources == source) & (outcomes.splits == "dev"))
    whole = rows[np.isfinite(outcomes.scores[np.ix_(rows, fleet.columns)]).all(axis=1)]
    if len(set(outcomes.groups[whole].tolist())) < _FEWEST_GROUPS:
        raise InvalidOutcomes(
            f"{len(whole)} dev prompts of {source!r} have scores of all {len(fleet.models)} models; at least four "
            "groups are needed to fit on some and measure on others."
        )
    setting = Setting(bundle, outcomes, prices, fleet, whole)
    learn = relearner(setting, read_tasks(inputs.tasks), options.run, options.progress) if options.strict else None
    measured = [
        _measure(case, outcomes.groups[whole], options.run.seed) for case in cases(setting, options.profile, learn)
    ]
    is_unseen = unseen(bundle.manifest, outcomes, "dev") is True
    return _report(bundle.digest, source, options, len(whole), measured, is_unseen)


def _measure(case: LeftOut, groups: npt.NDArray[np.str_], seed: int) -> _Measured:
    """Return the model and, for every draw, its trials: all outcomes, the constant, then everything fitted."""
    names, place = np.unique(groups, return_inverse=True)
    drawn = []
    for draw in range(DRAWS):
        rng = np.random.default_rng([seed, draw])
        order = np.argsort(rng.permutation(len(names))[place], kind="stable")
        cut = place[order[int(len(order) * _FIT_SHARE)]]
        start = int(np.flatnonzero(place[order] == cut)[0])
        pool, rows = rng.permutation(order[:start]), order[start:]
        with threadpool_limits(1):
            drawn.append([full_trial(case, rows), constant_trial(case, rows), *trials(case, pool, rows)])
    return case.model, drawn


def _report(
    bundle: str, source: str, options: Options, prompts: int, measured: list[_Measured], is_unseen: bool
) -> ColdStartReport:
    every = [trial for _, draws in measured for draw in draws for trial in draw]
    full, constant = (_means(_of(every, every[place])) for place in (0, 1))
    keys = dict.fromkeys((trial.prompts, trial.predictor) for draw in measured[0][1] for trial in draw[2:])
    rows = [_means([t for t in every if (t.prompts, t.predictor) == key]) for key in sorted(keys, key=lambda k: k[0])]
    return ColdStartReport(
        notes=_notes(options.strict, is_unseen),
        bundle=bundle,
        source=source,
        profile=options.profile,
        is_strict=options.strict,
        prompts=prompts,
        draws=DRAWS,
        seed=options.run.seed,
        full=_figures(full, full, constant),
        constant=_figures(constant, full, constant),
        figures_by_count=tuple(_figures(row, full, constant) for row in rows),
        models=tuple(_shares(model, draws) for model, draws in measured),
    )


def _notes(is_strict: bool, is_unseen: bool) -> tuple[str, ...]:
    notes = [f"A share is of the gain of all outcomes. Level error: |mean chance - mean score|. {_LOGITS}"]
    if not is_strict:
        notes.append("The demands were learned with the outcomes of the model left out among others.")
    if not is_unseen:
        notes.append("The bundle may have learned from these very prompts; then the figures flatter it.")
    return tuple(notes)


def _of(every: list[Trial], like: Trial) -> list[Trial]:
    return [trial for trial in every if trial.predictor == like.predictor]


def _means(alike: list[Trial]) -> Trial:
    """Return the means of what is defined; an AUC isn't where all scores of a draw are alike."""

    def mean(name: str, power: int = 1) -> float:
        values = np.array([getattr(trial, name) for trial in alike])
        known = values[np.isfinite(values)]
        return float(np.mean(known**power) ** (1 / power)) if len(known) else math.nan

    return Trial(
        alike[0].predictor, alike[0].prompts, mean("auc"), mean("log_loss"), mean("level_error"),
        mean("deviation", 2), mean("logit_error", 2), mean("token_error"),
    )  # fmt: skip


def _figures(row: Trial, full: Trial, constant: Trial) -> Figures:
    return Figures(
        row.predictor,
        row.prompts,
        row.auc,
        (row.auc - 0.5) / (full.auc - 0.5),
        row.log_loss,
        (constant.log_loss - row.log_loss) / (constant.log_loss - full.log_loss),
        row.level_error,
        row.deviation,
        row.logit_error,
        row.token_error,
    )


def _shares(model: str, draws: list[list[Trial]]) -> ModelShares:
    every = [trial for draw in draws for trial in draw]
    full = _means(_of(every, every[0])).auc
    shares = []
    for count in COUNTS:
        alike = [trial for trial in every if (trial.predictor, trial.prompts) == (NOTHING, count)]
        shares.append((_means(alike).auc - 0.5) / (full - 0.5) if alike else math.nan)
    return ModelShares(model, full, tuple(shares))


def _cells(row: Figures) -> tuple[str, ...]:
    return (
        row.predictor, _n(row.auc), _n(row.auc_share, ".1%"), _n(row.log_loss, ".4f"), _n(row.log_loss_share, ".1%"),
        _n(row.level_error), _n(row.deviation), _n(row.logit_error), _n(row.token_error),
    )  # fmt: skip


def _n(value: float, form: str = ".3f") -> str:
    return format(value, form) if math.isfinite(value) else "–"
