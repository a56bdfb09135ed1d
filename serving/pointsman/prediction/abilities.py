"""Abilities of a list of models as matrices: demand → quality, length numbers → output tokens.

A model with outcomes has learned abilities. One without gets a prior: its kin's abilities with a shift, else what its
price leads to expect; such a model is not "measured", and every decision says so.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.errors import UnknownModel
from pointsman.prediction.bundle import Ability, Manifest
from pointsman.prediction.newcomers import Facts, fit_newcomer
from pointsman.prediction.predictor import Reading

Floats = npt.NDArray[np.float32]

_ZERO, _MAX_LOG_TOKENS = np.float32(0), np.float32(math.log(100_000))


class Unmeasured(msgspec.Struct, frozen=True):
    """What is known of a model without outcomes: a similar model, and its price in USD per million tokens (blended)."""

    kin: str | None
    kin_shift: float
    usd_per_mtok: float


class AbilityTable(msgspec.Struct, frozen=True):
    """Abilities of m models: `vectors` (k, m), `biases` (m,) a depth; `length_vectors` (l, m), `length_biases` (m,)."""

    models: tuple[str, ...]
    is_measured: tuple[bool, ...]
    vectors: dict[str, Floats]
    biases: dict[str, Floats]
    length_vectors: Floats
    length_biases: Floats

    def quality(self, reading: Reading) -> Floats:
        """Return P(the model does the task well), float32 (n_tasks, n_models)."""
        logits = reading.demand @ self.vectors[reading.depth] + self.biases[reading.depth]
        quality: Floats = 1.0 / (1.0 + np.exp(-logits))
        return quality

    def output_tokens(self, reading: Reading) -> Floats:
        """Return the expected output tokens, float32 (n_tasks, n_models), at least 1."""
        logs = reading.length @ self.length_vectors + self.length_biases
        tokens: Floats = np.exp(np.minimum(np.maximum(logs, _ZERO), _MAX_LOG_TOKENS))
        return tokens


def measured_table(manifest: Manifest, models: Sequence[str] | None = None) -> AbilityTable:
    """Return the table of models with learned abilities; None takes all of the bundle.

    Raises:
        UnknownModel: a model that the bundle has no outcomes for.
    """
    names = tuple(manifest.abilities) if models is None else tuple(models)
    for name in names:
        if name not in manifest.abilities:
            raise UnknownModel(
                f"The bundle has no outcomes for {name!r}; it knows {', '.join(sorted(manifest.abilities))}.",
                field="models",
            )
    return _stack(names, [manifest.abilities[name] for name in names], [_is_measured(manifest, name) for name in names])


def ability_table(manifest: Manifest, models: dict[str, Unmeasured]) -> AbilityTable:
    """Return the table of a fleet: learned abilities where the bundle has them, priors elsewhere."""
    abilities = [manifest.abilities.get(name) or _prior(manifest, known) for name, known in models.items()]
    return _stack(tuple(models), abilities, [_is_measured(manifest, name) for name in models])


def _is_measured(manifest: Manifest, name: str) -> bool:
    return name in manifest.abilities and manifest.abilities[name].outcomes > 0


def _prior(manifest: Manifest, known: Unmeasured) -> Ability:
    kin = manifest.abilities.get(known.kin) if known.kin else None
    if kin is not None:
        return msgspec.structs.replace(
            kin,
            fast_bias=kin.fast_bias + known.kin_shift,
            deep_bias=kin.deep_bias + known.kin_shift,
            outcomes=0,
            sources=(),
        )
    return fit_newcomer(manifest, "", Facts(usd_per_mtok=known.usd_per_mtok)).ability


def _stack(names: tuple[str, ...], abilities: list[Ability], is_measured: list[bool]) -> AbilityTable:
    def columns(vectors: list[tuple[float, ...]]) -> Floats:
        return np.ascontiguousarray(np.array(vectors, dtype=np.float32).T)

    def row(values: list[float]) -> Floats:
        return np.array(values, dtype=np.float32)

    return AbilityTable(
        models=names,
        is_measured=tuple(is_measured),
        vectors={
            "fast": columns([a.fast_vector for a in abilities]),
            "deep": columns([a.deep_vector for a in abilities]),
        },
        biases={"fast": row([a.fast_bias for a in abilities]), "deep": row([a.deep_bias for a in abilities])},
        length_vectors=columns([a.length_vector for a in abilities]),
        length_biases=row([a.length_bias for a in abilities]),
    )
