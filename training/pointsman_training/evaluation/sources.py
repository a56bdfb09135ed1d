"""How well the bundle predicts each source, whatever models it has: prediction only, as fleets and prices differ."""

from collections.abc import Iterator

import numpy as np

from pointsman.prediction import Bundle, measured_table
from pointsman.prediction.predictor import Depth
from pointsman_training.evaluation.figures import prediction
from pointsman_training.evaluation.reading import features_of, read_features
from pointsman_training.evaluation.report import SourceFigures
from pointsman_training.evaluation.rows import ALL, taken
from pointsman_training.evaluation.scores import spearman
from pointsman_training.network import Integers
from pointsman_training.outcomes import Outcomes


def source_figures(bundle: Bundle, outcomes: Outcomes, split: str, depth: Depth) -> Iterator[SourceFigures]:
    """Yield the figures of every source with rows of the split and models of the bundle; none with one source only.

    Scores depend on how models were asked, and qualities are on the scale of the bundle's main source: what differs by
    a constant shows in log-loss and ECE, not in AUC.
    """
    names = sorted(set(outcomes.sources.tolist()))
    for name in names if len(names) > 1 else ():
        rows = np.flatnonzero((outcomes.sources == name) & ((outcomes.splits == split) | (split == ALL)))
        columns = np.array(
            [
                place
                for place, (source, model) in enumerate(outcomes.columns)
                if source == name and model in bundle.manifest.abilities
            ],
            dtype=np.int64,
        )
        if len(rows) and len(columns):
            yield _figures(bundle, taken(outcomes, rows), name, columns, depth)


def _figures(bundle: Bundle, rows: Outcomes, name: str, columns: Integers, depth: Depth) -> SourceFigures:
    models = [rows.columns[place][1] for place in columns]
    chance = measured_table(bundle.manifest, models).quality(read_features(bundle, features_of(bundle, rows), depth))
    scores = rows.scores[:, columns]
    cells = np.isfinite(scores)
    seen = cells.any(axis=1)
    pooled = prediction(chance[cells], scores[cells])
    means = [np.where(cells, values, 0).sum(axis=1)[seen] / cells.sum(axis=1)[seen] for values in (chance, scores)]
    return SourceFigures(
        name=name,
        prompts=int(seen.sum()),
        models=len(models),
        mean_score=float(scores[cells].mean()),
        prediction=pooled,
        difficulty_spearman=spearman(1 - means[0], 1 - means[1]),
    )
