"""Evidence → named checks, each with its finding in words and what would change it. Pure: arrays in, words out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from pointsman_training.evaluation.bootstrap import Interval
from pointsman_training.gate.checks import FEWEST, Calibration, Drop, calibration, drops
from pointsman_training.gate.claims import Claim, Contest, claims, without_each
from pointsman_training.gate.draws import Draws

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.str_]
Status = Literal["passed", "failed", "not asked", "waived"]

_NAMED: Final = 5
_HOPE: Final = 5
"""A gain that would need more than this, squared, times the prompts measured isn't worth hoping for."""


@dataclass(frozen=True)
class Bounds:
    """What is tolerated: `margin` of quality for "as good", calibration error, fall of a slice, rows learned from."""

    margin: float = 0.01
    max_ece: float = 0.05
    max_slice_drop: float = 0.03
    allows_seen: bool = False


@dataclass(frozen=True)
class Evidence:
    """Candidate and champion on the same n prompts.

    `contests` are the candidate's, against the champion first; `incumbent` is the champion's against `constant`, a
    model. Chances are (n, m). `contributors` (n,) is None where nothing tells them. `unseen` says of candidate and
    champion whether it learned nothing from these rows, None where its manifest doesn't tell.
    """

    contests: tuple[Contest, ...]
    incumbent: Contest
    constant: str
    candidate_chance: Array
    champion_chance: Array
    scores: Array
    kinds: Mapping[str, Labels]
    contributors: Labels | None
    unseen: tuple[bool | None, ...]


@dataclass(frozen=True)
class Check:
    """One condition of promotion: how it went, what was found, and what would change it (empty if it passed)."""

    name: str
    status: Status
    finding: str
    remedy: str = ""


@dataclass(frozen=True)
class Verdict:
    """All checks and the figures they rest on. `advice` is what to do if nothing beats the constant, else empty."""

    checks: tuple[Check, ...]
    claims: tuple[Claim, ...] = ()
    calibration: Calibration | None = None
    slices: tuple[Drop, ...] = ()
    turned_by: tuple[str, ...] = ()
    advice: str = ""

    @property
    def promotes(self) -> bool:
        """Whether no check failed."""
        return all(check.status != "failed" for check in self.checks)


def judge(evidence: Evidence, bounds: Bounds, draws: Draws) -> Verdict:
    """Return the verdict on a candidate."""
    made = claims(evidence.contests, draws, bounds.margin)
    held = all(claim.holds for claim in made)
    calibrated = calibration(evidence.candidate_chance, evidence.champion_chance, evidence.scores, draws)
    fallen = drops(evidence.contests[0].quality, evidence.kinds, draws)
    turned_by = _turned_by(evidence, draws, bounds.margin, held)
    checks = (
        opponents_check(made, evidence.contests[0], draws.counts.shape[1]),
        calibration_check(calibrated, bounds.max_ece),
        slices_check(fallen, bounds.max_slice_drop),
        contributors_check(evidence.contributors, turned_by, held),
        rows_check(evidence.unseen, bounds.allows_seen),
    )
    (champion,) = claims([evidence.incumbent], draws, bounds.margin)
    against_constant = next(claim for claim in made if claim.opponent == evidence.incumbent.opponent)
    advice = "" if against_constant.holds or champion.holds else _serve(evidence.constant)
    return Verdict(checks, made, calibrated, fallen, turned_by, advice)


def equal_bundles(digest: str) -> Verdict:
    """Return the verdict on a candidate that is the champion itself."""
    check = Check(
        "another bundle",
        "failed",
        f"The candidate is the champion itself (digest {digest}): they are equal.",
        "Name a bundle that was trained anew.",
    )
    return Verdict((check,))


def _serve(model: str) -> str:
    return (
        f"serve {model}: neither candidate nor champion is shown to beat sending every task to it. Until one does, "
        "routing costs effort and gains nothing that these outcomes show."
    )


def _turned_by(evidence: Evidence, draws: Draws, margin: float, held: bool) -> tuple[str, ...]:
    labels = evidence.contributors
    if labels is None or (labels == labels[0]).all():
        return ()
    return tuple(
        name for name, holds in without_each(evidence.contests, labels, draws, margin).items() if holds != held
    )


def opponents_check(made: Sequence[Claim], against_champion: Contest, groups: int) -> Check:
    """Return the check that the candidate beats every opponent at equal cost, or equals it cheaper."""
    name, missing = "beats champion and baselines", [claim for claim in made if not claim.holds]
    words = "; ".join(f"{claim.opponent}: {claim.way} ({_signed(claim.gain)} at equal cost)" for claim in made)
    if not missing:
        return Check(name, "passed", f"{words}.")
    if not any(part.any() for part in (against_champion.gain, against_champion.quality, against_champion.cost)):
        words = f"The bundles are equal: on every prompt they score and cost the same. {words}"
    return Check(name, "failed", f"{words}.", " ".join(_remedy(claim, groups) for claim in missing))


def _remedy(claim: Claim, groups: int) -> str:
    gain = claim.gain
    if gain.value <= 0 or not np.isfinite(gain.low):
        return f"Against {claim.opponent} nothing suggests a gain; train a better candidate."
    if gain.low > 0:
        return (
            f"Against {claim.opponent} the gain is clear by itself, not among all claims (Holm); measure more prompts."
        )
    needed = groups * ((gain.value - gain.low) / gain.value) ** 2
    return (
        f"Against {claim.opponent} a gain of {gain.value:.4f}, were it real, would show on some {needed:,.0f} groups "
        f"of prompts like these ({groups:,} were measured)."
    )


def calibration_check(found: Calibration, most: float) -> Check:
    """Return the check that chances are calibrated, and not worse than the champion's by more than noise."""
    name, error, change = "calibration", found.candidate.value, found.difference
    words = (
        f"calibration error {error:.3f} ({most:g} at most), the champion's {found.champion.value:.3f}, "
        f"difference {_signed(change)}"
    )
    if error > most:
        return Check(name, "failed", f"{words}: too large.", "Recalibrate on outcomes like these, or raise --max-ece.")
    if change.low > 0:
        return Check(name, "failed", f"{words}: worse beyond noise.", "Recalibrate on outcomes like these.")
    return Check(name, "passed", f"{words}.")


def slices_check(fallen: Sequence[Drop], most: float) -> Check:
    """Return the check that no slice falls by more than `most`; the interval's lower bound decides."""
    name = "slices"
    broken = [drop for drop in fallen if drop.quality.low > most]
    suspicious = [drop for drop in fallen if drop.quality.value > most and drop not in broken]
    doubts = f" Suspicious, within noise: {_slices(suspicious)}." if suspicious else ""
    if broken:
        words = f"{_slices(broken)}: quality falls by more than {most:g}.{doubts}"
        return Check(name, "failed", words, "Add outcomes of these kinds of prompts, or find out what changed there.")
    words = f"none of {len(fallen)} slices of {FEWEST} prompts or more falls by more than {most:g}."
    return Check(name, "passed", f"{words}{doubts}")


def _slices(fallen: Sequence[Drop]) -> str:
    return ", ".join(
        f"{drop.kind} {drop.name} ({_signed(drop.quality, -1)}, {drop.prompts:,} prompts)" for drop in fallen
    )


def contributors_check(labels: Labels | None, turned_by: Sequence[str], held: bool) -> Check:
    """Return the check that the verdict on the opponents stands whichever contributor is left out."""
    name = "contributors"
    if labels is None:
        words = "the outcomes don't tell who brought them: no column contributor, and one source."
        return Check(name, "not asked", words, "Add a column contributor to the outcomes.")
    count = len(np.unique(labels))
    if count == 1:
        return Check(
            name, "failed", f"all rows are of {labels[0]}, who decides alone.", "Measure on others' rows as well."
        )
    if not turned_by:
        stays = "holds" if held else "doesn't hold either"
        return Check(name, "passed", f"the first check {stays} without the rows of any one of {count:,} contributors.")
    named = ", ".join(turned_by[:_NAMED]) + (f" and {len(turned_by) - _NAMED} more" if len(turned_by) > _NAMED else "")
    turns = "fails" if held else "holds"
    return Check(
        name,
        "failed",
        f"the first check {turns} without the rows of {named} alone.",
        "Look at these rows; measure on more rows of others.",
    )


def rows_check(unseen: tuple[bool | None, ...], allows_seen: bool) -> Check:
    """Return the check that neither bundle learned from the rows, as far as manifests tell."""
    name = "unseen rows"
    known = dict(zip(("candidate", "champion"), unseen, strict=True))
    learned = [bundle for bundle, is_unseen in known.items() if is_unseen is False]
    if learned:
        words = f"{' and '.join(learned)} learned from these very rows."
        if allows_seen:
            return Check(name, "waived", f"{words} Waived by --allow-seen: the figures say how well it remembers.")
        remedy = "Gate on outcomes that came later, or on the dev split of bundles trained without --use-dev."
        return Check(name, "failed", words, remedy)
    untold = [bundle for bundle, is_unseen in known.items() if is_unseen is None]
    if untold:
        return Check(
            name, "passed", f"the manifest of {' and '.join(untold)} names none of these files; nothing tells more."
        )
    return Check(name, "passed", "neither bundle learned from these rows, their manifests say.")


def _signed(interval: Interval, sign: int = 1) -> str:
    low, high = sorted((sign * interval.low, sign * interval.high))
    return f"{sign * interval.value:+.4f} [{low:+.4f}, {high:+.4f}]"
