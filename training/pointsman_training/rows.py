"""Feature rows: outcomes without their texts, so that anyone can train from them.

Embeddings are int8 in steps of a power of two, counts float16; a row holds one prompt with all its outcomes.
"""

import math
import os
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pointsman.errors import InvalidOutcomes
from pointsman.prediction import FEATURE_VERSION
from pointsman_training.encode import Encoder
from pointsman_training.network import Floats
from pointsman_training.outcomes import Outcomes
from pointsman_training.tables import CONTRIBUTOR

_NAMES: Final = ("source", "task_type", "split", "group")
_CLIPPED_SHARE: Final = 0.001
"""The largest thousandth of embedding values is clipped: single outlier dimensions would coarsen all others."""


def write_rows(
    outcomes: Outcomes, encoder: Encoder, directory: str | os.PathLike[str], *, cache: Path | None = None
) -> list[Path]:
    """Write one parquet file of feature rows per source into `directory`, and return their paths.

    Raises:
        InvalidOutcomes: the outcomes hold no texts to encode.
    """
    if outcomes.texts is None:
        raise InvalidOutcomes("These are feature rows already; rows are made from outcomes with texts.")
    features = encoder.features(outcomes.texts, cache=cache)
    steps = {"fast": _step(features.fast), "deep": _step(features.deep), "counts": 1.0}
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    names = _NAMES if outcomes.contributors is None else (*_NAMES, CONTRIBUTOR)
    paths = []
    for source in sorted(set(outcomes.sources.tolist())):
        rows = np.flatnonzero(outcomes.sources == source)
        nested = [_nested(outcomes, int(row)) for row in rows]
        table = pa.table({
            "prompt_id": [outcomes.prompt_ids[row] for row in rows],
            **{name: getattr(outcomes, f"{name}s")[rows].tolist() for name in names},
            "input_tokens": pa.array(outcomes.input_tokens[rows], pa.float32()),
            "fast": _quantised(features.fast[rows], steps["fast"]),
            "deep": _quantised(features.deep[rows], steps["deep"]),
            "counts": [row.tobytes() for row in features.counts[rows].astype(np.float16)],
            "models": [models for models, _, _ in nested],
            "scores": pa.array([scores for _, scores, _ in nested], pa.list_(pa.float32())),
            "output_tokens": pa.array([tokens for _, _, tokens in nested], pa.list_(pa.float32())),
        })  # fmt: skip
        metadata = {
            "feature_version": str(FEATURE_VERSION),
            "encoder": encoder.spec.model,
            "layer": str(encoder.spec.layer),
        }
        metadata |= {f"{name}_step": repr(step) for name, step in steps.items()}
        paths.append(target / f"{source}.parquet")
        pq.write_table(table.replace_schema_metadata(metadata), paths[-1], compression="zstd", compression_level=19)
    return paths


def _nested(outcomes: Outcomes, row: int) -> tuple[list[str], list[float], list[float]]:
    seen = np.flatnonzero(np.isfinite(outcomes.scores[row]))
    models = [outcomes.columns[column][1] for column in seen]
    return models, outcomes.scores[row, seen].tolist(), outcomes.output_tokens[row, seen].tolist()


def _step(values: Floats) -> float:
    """Return the smallest power of two whose 127 multiples reach all but the largest thousandth of the values."""
    reach = float(np.quantile(np.abs(values), 1 - _CLIPPED_SHARE))
    return float(2.0 ** math.ceil(math.log2(reach / 127)))


def _quantised(values: Floats, step: float) -> list[bytes]:
    return [row.tobytes() for row in np.clip(np.round(values / step), -127, 127).astype(np.int8)]
