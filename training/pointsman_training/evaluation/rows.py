"""The rows an evaluation runs on: one source, the prompts that every model of the fleet has a score for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pointsman.errors import InvalidInput, InvalidOutcomes
from pointsman.prediction import Manifest, measured_table
from pointsman.registry import Price, load_fleet
from pointsman_training.metrics import Doubles
from pointsman_training.network import Floats, Integers
from pointsman_training.outcomes import Outcomes
from pointsman_training.split import check_no_leak

ALL = "all"
_USD_PER_NANOUSD_MTOK = 1e-15


@dataclass(frozen=True)
class Fleet:
    """m models, their columns in the outcomes, and prices (m,) in USD per token."""

    models: tuple[str, ...]
    columns: Integers
    input_usd: Doubles
    output_usd: Doubles

    def costs(self, input_tokens: Floats, output_tokens: Floats) -> Doubles:
        """Return USD for prompts (n,) and outputs (n, m)."""
        return input_tokens[:, np.newaxis].astype(np.float64) * self.input_usd + output_tokens * self.output_usd


@dataclass(frozen=True)
class Selection:
    """Rows of the outcomes: those measured on, all scored, and those that baselines learn from.

    `left_out` counts rows of the split that some model has no score for.
    """

    source: str
    split: str
    measured: Integers
    learned: Integers
    left_out: int


def main_source(manifest: Manifest, outcomes: Outcomes, wanted: str | None) -> str:
    """Return the source to evaluate on: the wanted one, else the bundle's main one.

    Raises:
        InvalidOutcomes: the outcomes have no such source.
    """
    present = sorted(set(outcomes.sources.tolist()))
    source = wanted or manifest.metrics.get("source")
    if source not in present:
        told = f"--source is {wanted!r}" if wanted else f"The bundle's main source is {source!r}"
        raise InvalidOutcomes(f"{told}, which these outcomes don't have; choose --source among {', '.join(present)}.")
    return str(source)


def fleet_of(
    manifest: Manifest, outcomes: Outcomes, prices: Mapping[str, Price], source: str, wanted: Sequence[str] | None
) -> Fleet:
    """Return the models to choose among: the wanted ones, else the default fleet's, else all that qualify.

    A model qualifies if the bundle has its ability, the source its scores and the price list its price.

    Raises:
        UnknownModel: a wanted model that the bundle doesn't know.
        InvalidInput: a wanted model without scores or price, twice, or fewer than two models.
    """
    column_of = {model: index for index, (name, model) in enumerate(outcomes.columns) if name == source}
    if wanted is None:
        known = [model for model in column_of if model in manifest.abilities and model in prices]
        preferred = [model for model in load_fleet("default").ids if model in known]
        names = tuple(preferred if len(preferred) >= 2 else known)
    else:
        names = measured_table(manifest, wanted).models
        _check_wanted(names, column_of, prices, source)
    if len(names) < 2:
        raise InvalidInput(
            f"Routing needs two models; {', '.join(names) or 'none'} has an ability in the bundle, scores in {source!r}"
            " and a price. Name others with --models, or add prices."
        )
    rates = [(prices[name].input_nanousd_per_mtok, prices[name].output_nanousd_per_mtok) for name in names]
    input_usd, output_usd = (np.array(rates, dtype=np.float64) * _USD_PER_NANOUSD_MTOK).T
    return Fleet(names, np.array([column_of[name] for name in names]), input_usd, output_usd)


def _check_wanted(names: Sequence[str], column_of: Mapping[str, int], prices: Mapping[str, Price], source: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f"--models names {name!r} twice; name each model once.", field="models")
        if name not in column_of:
            raise InvalidInput(
                f"--models names {name!r}, which has no scores in {source!r}; it has {', '.join(sorted(column_of))}.",
                field="models",
            )
        if name not in prices:
            raise InvalidInput(
                f"--models names {name!r}, which has no price; add one to --prices.",
                field="models",
            )


def select(outcomes: Outcomes, fleet: Fleet, source: str, split: str) -> Selection:
    """Return the rows of one split of one source; baselines learn from its train split.

    Raises:
        InvalidOutcomes: nothing to measure on, or to learn from, or near-duplicates on both sides.
    """
    home = outcomes.sources == source
    train, dev = (np.flatnonzero(outcomes.splits == name) for name in ("train", "dev"))
    check_no_leak(outcomes.groups.tolist(), train, dev)
    of_split = np.flatnonzero(home & ((outcomes.splits == split) | (split == ALL)))
    if not len(of_split):
        filled = sorted(set(outcomes.splits[home].tolist()))
        raise InvalidOutcomes(
            f"{source!r} has no rows in the split {split!r}, only in {', '.join(filled)}; choose another --split."
        )
    whole = np.isfinite(outcomes.scores[np.ix_(of_split, fleet.columns)]).all(axis=1)
    measured = of_split[whole]
    if len(set(outcomes.groups[measured].tolist())) < 2:
        raise InvalidOutcomes(
            f"{len(measured)} of {len(of_split):,} prompts of {source!r}, split {split!r}, have scores of all "
            f"{len(fleet.models)} models; at least two groups of prompts are needed. Name fewer --models."
        )
    learned = np.flatnonzero(home & (outcomes.splits == "train"))
    learned = learned[np.isfinite(outcomes.scores[np.ix_(learned, fleet.columns)]).any(axis=1)]
    unseen = ~np.isfinite(outcomes.scores[np.ix_(learned, fleet.columns)]).any(axis=0)
    if unseen.any():
        raise InvalidOutcomes(
            f"{fleet.models[int(unseen.argmax())]!r} has no scores in the train split of {source!r}, from which the "
            "baselines learn; leave the model out, or add rows."
        )
    return Selection(source, split, measured, learned, len(of_split) - len(measured))


def taken(outcomes: Outcomes, rows: Integers) -> Outcomes:
    """Return the outcomes of these rows."""
    return replace(
        outcomes,
        prompt_ids=tuple(outcomes.prompt_ids[row] for row in rows),
        **{name: getattr(outcomes, name)[rows] for name in ("sources", "task_types", "splits", "groups")},
        texts=None if outcomes.texts is None else tuple(outcomes.texts[row] for row in rows),
        features=None if outcomes.features is None else outcomes.features.take(rows),
        input_tokens=outcomes.input_tokens[rows],
        scores=outcomes.scores[rows],
        output_tokens=outcomes.output_tokens[rows],
        contributors=None if outcomes.contributors is None else outcomes.contributors[rows],
    )


def real_output_tokens(observed: Floats, expected: Floats) -> tuple[Floats, Integers]:
    """Return output tokens without gaps (n, m), and which models never had any.

    A gap is filled by the model's median; a model without any observation gets what is expected.
    """
    never = ~np.isfinite(observed).any(axis=0)
    filled = np.where(never, expected, observed)
    return np.where(np.isfinite(filled), filled, np.nanmedian(filled, axis=0)), np.flatnonzero(never)
