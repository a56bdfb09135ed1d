"""Scored prompts of one model: from outcome tables, or from JSONL and CSV files of text, score and output_tokens."""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from pointsman.errors import InvalidFile, InvalidOutcomes
from pointsman.json_lines import read_lines
from pointsman.prediction import Bundle, Predictor
from pointsman.prediction.newcomers import Scored
from pointsman.prediction.predictor import Depth
from pointsman.types import MAX_DESCRIPTION_CHARACTERS
from pointsman_training.evaluation.reading import features_of, read_features
from pointsman_training.evaluation.rows import taken
from pointsman_training.outcomes import Outcomes, read_outcomes

_DEPTHS: Final[tuple[Depth, Depth]] = ("fast", "deep")
_PLAIN: Final = (".jsonl", ".csv")
_FIELDS: Final = ("text", "score")


class ScoredText(msgspec.Struct, frozen=True):
    """A prompt, how well the model did it (0 to 1), and the tokens of its answer, NaN where unknown."""

    text: str
    score: float
    output_tokens: float = float("nan")


def read_scored(bundle: Bundle, model: str, paths: Iterable[str | os.PathLike[str]]) -> Scored:
    """Return the scored prompts of a model as the bundle's graph reads them.

    JSONL and CSV files hold prompts of this model; lines that name another in `model` are left out. Anything else is
    read as outcome tables (parquet files, or directories of them).

    Raises:
        InvalidFile, InvalidOutcomes: a file can't be used, its rows come from another encoder, or none is of the model.
    """
    files = [Path(path) for path in paths]
    plain = [path for path in files if path.suffix.lower() in _PLAIN]
    tables = [path for path in files if path not in plain]
    parts = []
    if tables:
        parts.append(_of_tables(bundle, model, tables))
    if plain:
        parts.append(_of_texts(bundle, [line for path in plain for line in read_scored_texts(path, model)], plain))
    return _joined(parts)


def read_scored_texts(path: Path, model: str) -> list[ScoredText]:
    """Return the lines of a JSONL or CSV file that are of this model, or name none.

    Raises:
        InvalidFile: a line that can't be read, lacks text or score, or has a score outside [0, 1]; the line is named.
    """
    read = _csv_lines if path.suffix.lower() == ".csv" else _json_lines
    lines = [(place, fields) for place, fields in read(path) if fields.get("model", model) == model]
    if not lines:
        raise InvalidFile(f"{path} has no line of the model {model!r}; expected text, score and no other model.")
    return [_scored_text(place, fields) for place, fields in lines]


def _json_lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for line in read_lines(str(path)):
        if not isinstance(line.data, dict):
            raise InvalidFile(f'{line.place}: expected an object such as {{"text": "…", "score": 1}}.')
        yield line.place, line.data


def _csv_lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not path.is_file():
        raise InvalidFile(f"{path} doesn't exist; expected a CSV file with the columns text and score.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidFile(f"{path} isn't UTF-8: {error.reason} at byte {error.start}.") from None
    with io.StringIO(text, newline="") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in _FIELDS if name not in (reader.fieldnames or ())]:
            raise InvalidFile(
                f"{path} lacks the column {missing[0]}; expected text, score and, if known, output_tokens."
            )
        try:
            for row in reader:
                yield f"{path}, line {reader.line_num}", {name: value for name, value in row.items() if value}
        except csv.Error as error:
            raise InvalidFile(f"{path}, line {reader.line_num}: {error}; expected CSV.") from None


def _scored_text(place: str, fields: Mapping[str, Any]) -> ScoredText:
    for name in _FIELDS:
        if fields.get(name) is None:
            raise InvalidFile(f"{place} lacks {name}; expected text, score and, if known, output_tokens.")
    text = fields["text"]
    if not isinstance(text, str) or not text.strip():
        raise InvalidFile(f"{place}: text is empty or no text; expected the prompt.")
    if len(text) > MAX_DESCRIPTION_CHARACTERS:
        raise InvalidFile(f"{place}: text has {len(text):,} characters; at most {MAX_DESCRIPTION_CHARACTERS:,} fit.")
    score = _number(place, "score", fields["score"])
    if not 0 <= score <= 1:
        raise InvalidFile(f"{place}: score is {score:g}; expected a number from 0 (failed) to 1 (done well).")
    tokens = fields.get("output_tokens")
    if tokens is None:
        return ScoredText(text, score)
    count = _number(place, "output_tokens", tokens)
    if not 0 <= count < float("inf"):
        raise InvalidFile(f"{place}: output_tokens is {count:g}; expected a count of tokens.")
    return ScoredText(text, score, count)


def _number(place: str, name: str, value: object) -> float:
    try:
        if isinstance(value, bool | list | dict):
            raise ValueError
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise InvalidFile(f"{place}: {name} is {value!r}; expected a number.") from None


def _of_texts(bundle: Bundle, lines: list[ScoredText], paths: list[Path]) -> Scored:
    predictor, texts = Predictor(bundle), [line.text for line in lines]
    readings = {depth: predictor.read(texts, depth) for depth in _DEPTHS}
    return Scored(
        {depth: reading.demand for depth, reading in readings.items()},
        readings["deep"].length,
        np.array([line.score for line in lines]),
        np.array([line.output_tokens for line in lines]),
        tuple(sorted({path.stem for path in paths})),
    )


def _of_tables(bundle: Bundle, model: str, paths: list[Path]) -> Scored:
    outcomes = read_outcomes(paths)
    if model not in outcomes.models:
        raise InvalidOutcomes(
            f"No row of {', '.join(map(str, paths))} is of {model!r}; the outcomes are of {', '.join(outcomes.models)}."
        )
    columns = [place for place, (_, name) in enumerate(outcomes.columns) if name == model]
    rows = np.flatnonzero(np.isfinite(outcomes.scores[:, columns]).any(axis=1))
    home = taken(outcomes, rows)
    demand, length = _read(bundle, home)
    scores, tokens = (np.nanmax(table[:, columns], axis=1, initial=-1) for table in (home.scores, home.output_tokens))
    sources = tuple(sorted({outcomes.columns[column][0] for column in columns}))
    return Scored(demand, length, scores, np.where(tokens < 0, np.nan, tokens), sources)


def _read(bundle: Bundle, outcomes: Outcomes) -> tuple[dict[Depth, Any], Any]:
    if outcomes.texts is not None:
        predictor = Predictor(bundle)
        readings = {depth: predictor.read(outcomes.texts, depth) for depth in _DEPTHS}
    else:
        features = features_of(bundle, outcomes)
        readings = {depth: read_features(bundle, features, depth) for depth in _DEPTHS}
    return {depth: reading.demand for depth, reading in readings.items()}, readings["deep"].length


def _joined(parts: list[Scored]) -> Scored:
    return Scored(
        {depth: np.concatenate([part.demand[depth] for part in parts]) for depth in _DEPTHS},
        np.concatenate([part.length for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.output_tokens for part in parts]),
        tuple(sorted({source for part in parts for source in part.sources})),
    )
