"""Perturbation: whether the same task, typed differently, goes to the same model.

Decisions are those of the public `Router` over the default fleet, on the text as it is and as changed. Only changed
texts count. A change that asks for the same work should change nothing, so every flip is noise; one between models of
nearly equal utility is harmless, which `costly_flips` tells apart.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from pointsman import Decision, Router, load_fleet
from pointsman.errors import InvalidInput
from pointsman.prediction import read_bundle
from pointsman.types import PROFILES
from pointsman_training.evaluation.bootstrap import cluster_weights
from pointsman_training.evaluation.flips import COSTLY, Comparison, Shift, compare, mean_shift
from pointsman_training.evaluation.perturbations import PERTURBATIONS, perturbed
from pointsman_training.evaluation.protocols.protocol import Inputs, Options, ProtocolReport
from pointsman_training.evaluation.tables import Table
from pointsman_training.evaluation.texts import Texts, texts_of_sources, texts_of_tasks
from pointsman_training.evaluation.translations import read_translations
from pointsman_training.evaluation.words import number, ranged, signed
from pointsman_training.outcomes import read_outcomes
from pointsman_training.tasks import read_tasks

Changes = dict[tuple[str, str], tuple[str, ...]]
"""Changed texts by the kind and the name of the change."""

TARGET: Final = 0.10
"""The share of flips not to exceed; MIRT flips 39 % (RouterArena)."""

MEAN: Final = "mean of the changes above"
HELD_OUT: Final = "held-out tasks"
TASKS: Final = "training tasks"
TRANSLATED: Final = "translated tasks"


class Report(ProtocolReport, frozen=True, kw_only=True, tag="perturbation"):
    """Every change of every set of texts in every profile; the last of each set and profile is the changes' mean."""

    bundle: str
    seed: int
    draws: int
    texts: dict[str, int]
    shifts: tuple[Shift, ...]

    @property
    def headline(self) -> str:
        """What was perturbed, and what is aimed at."""
        texts = ", ".join(f"{name} ({count:,})" for name, count in self.texts.items())
        return (
            f"Bundle {self.bundle}: decisions on {texts} when they are typed differently. Aim: at most {TARGET:.0%} "
            f"flips. Intervals: 95 %, {self.draws:,} draws of groups of texts, seed {self.seed}."
        )

    @property
    def tables(self) -> tuple[Table, ...]:
        """One table for each set of texts and profile."""
        sets = dict.fromkeys((shift.texts, shift.profile) for shift in self.shifts)
        return tuple(
            _table(f"{texts}, profile {profile}", [s for s in self.shifts if (s.texts, s.profile) == (texts, profile)])
            for texts, profile in sets
        )


def run(inputs: Inputs, options: Options) -> Report:
    """Return how far decisions hold when texts are typed differently, in all three profiles.

    Raises:
        PointsmanError: no texts, or inputs that can't be read.
    """
    bundle, fleet = read_bundle(inputs.bundle), load_fleet("default")
    sets, notes = _text_sets(inputs, options)
    if not sets:
        raise InvalidInput(
            "There are no texts to perturb: name labelled tasks (--tasks, --held-out-tasks), or outcomes with texts."
        )
    todo = [*(_perturbed(texts, options.run.seed) for texts in sets), *_translated(inputs)]
    shifts: list[Shift] = []
    for profile in PROFILES:
        router = Router(bundle, fleet, profile=profile)
        for texts, changes in todo:
            options.progress(f"{texts.name} ({len(texts):,}), profile {profile}")
            shifts += _shifts(router, texts, changes, options)
    return Report(
        notes=notes,
        bundle=bundle.digest,
        seed=options.run.seed,
        draws=options.draws,
        texts={texts.name: len(texts) for texts, _ in todo},
        shifts=tuple(shifts),
    )


def _text_sets(inputs: Inputs, options: Options) -> tuple[list[Texts], tuple[str, ...]]:
    named = {HELD_OUT: inputs.held_out_tasks, TASKS: inputs.tasks}
    sets = [texts_of_tasks(name, read_tasks(paths)) for name, paths in named.items() if paths]
    notes = [
        "Only texts that a change changes count. Expected utility is quality − cost / trade_usd, both choices judged "
        f"by the reading of the text as it was; a flip is costly where it loses more than {COSTLY}.",
        "In the profile auto a change may also change whether a text is read fast or deep.",
    ]
    if inputs.outcomes:
        outcomes = read_outcomes(inputs.outcomes)
        if outcomes.texts is None:
            notes.append("The outcomes are feature rows; there is no text in them to change, so they were left out.")
        else:
            sets += texts_of_sources(outcomes, "dev")
    rng = np.random.default_rng(options.run.seed)
    return [texts.sampled(options.sample, rng) for texts in sets], tuple(notes)


def _translated(inputs: Inputs) -> list[tuple[Texts, Changes]]:
    """Return the tasks that are translated into every language of the translations, and these; none without any."""
    if not inputs.translations:
        return []
    originals = texts_of_tasks(TRANSLATED, read_tasks([*inputs.held_out_tasks, *inputs.tasks]))
    by_language = read_translations(inputs.translations)
    rows = [row for row, name in enumerate(originals.ids) if all(name in by_id for by_id in by_language.values())]
    texts = originals.take(np.array(rows, dtype=np.int64))
    changes = {
        ("translation", language): tuple(by_id[name] for name in texts.ids)
        for language, by_id in sorted(by_language.items())
    }
    return [(texts, changes)] if rows else []


def _perturbed(texts: Texts, seed: int) -> tuple[Texts, Changes]:
    return texts, {(p.kind, p.name): perturbed(texts.texts, p, seed) for p in PERTURBATIONS}


def _shifts(router: Router, texts: Texts, changes: Changes, options: Options) -> list[Shift]:
    """Return the shift of each change, and their mean where there are several."""
    weights = cluster_weights(np.array(texts.groups), options.draws, np.random.default_rng(options.run.seed))
    first = router.route_many(texts.texts)
    comparisons = {names: _comparison(router, texts, first, changed) for names, changed in changes.items()}
    shifts = [
        mean_shift([comparison], weights, (router.profile, texts.name, *names))
        for names, comparison in comparisons.items()
    ]
    if len(shifts) > 1:
        shifts.append(mean_shift(list(comparisons.values()), weights, (router.profile, texts.name, "all", MEAN)))
    return shifts


def _comparison(router: Router, texts: Texts, first: Sequence[Decision], changed: Sequence[str]) -> Comparison:
    is_changed = np.array([a != b for a, b in zip(texts.texts, changed, strict=True)], dtype=bool)
    return compare(first, router.route_many(changed), is_changed, texts.scores)


def _table(title: str, shifts: Sequence[Shift]) -> Table:
    return Table(
        title,
        ("change", "texts", "flips", "costly", "labels", "depths", "predicted quality", "utility lost", "score lost"),
        tuple(
            (s.change, f"{s.changed:,}", ranged(s.flips, ".1%"),
             *(number(share.value, ".1%") for share in (s.costly_flips, s.label_flips, s.depth_flips)),
             number(s.quality_change.value, "+.4f"), number(s.utility_lost.value, ".4f"), signed(s.quality_lost, 4))
            for s in shifts
        ),
    )  # fmt: skip
