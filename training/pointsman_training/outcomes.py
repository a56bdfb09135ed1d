"""Outcome tables → one matrix with missing entries: prompts by (source, model) columns."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pointsman.errors import InvalidOutcomes
from pointsman_training.tables import CONTRIBUTOR, Features, Floats, Table, read_table


@dataclass(frozen=True)
class Outcomes:
    """n prompts by m columns, a column being one model in one source.

    `scores`, `output_tokens` (n, m) hold NaN where nothing was observed; `texts` is None where features came instead of
    texts, and `encoder` then names the model and layer they were made with. `digests` maps file names to their SHA-256.
    `contributors` (n,) says who brought each prompt, its source where a file doesn't say; None where no file does.
    """

    prompt_ids: tuple[str, ...]
    sources: npt.NDArray[np.str_]
    task_types: npt.NDArray[np.str_]
    splits: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_]
    texts: tuple[str, ...] | None
    features: Features | None
    input_tokens: Floats
    columns: tuple[tuple[str, str], ...]
    scores: Floats
    output_tokens: Floats
    digests: dict[str, str]
    encoder: tuple[str, int] | None = None
    contributors: npt.NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.prompt_ids)

    @property
    def models(self) -> tuple[str, ...]:
        """All models, each once, in alphabetical order."""
        return tuple(sorted({model for _, model in self.columns}))


def read_outcomes(paths: Iterable[str | os.PathLike[str]], *, contributor: str = CONTRIBUTOR) -> Outcomes:
    """Return the outcomes of all parquet files named or lying in the directories named.

    `contributor` is the column that says who brought a prompt; files may lack it.

    Raises:
        InvalidOutcomes: no file, a column missing, a score outside [0, 1], a duplicate (prompt_id, model), an unknown
            split, or text and feature tables mixed; the message names file, column and row.
    """
    tables = [read_table(path, contributor) for path in _parquet_files(paths)]
    if len({(table.texts is not None, table.encoder) for table in tables}) > 1:
        raise InvalidOutcomes(
            "Some files hold texts and some feature rows, or rows of different encoders; train on one kind at a time."
        )
    return _assemble(tables)


def _parquet_files(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    files: list[Path] = []
    for given in map(Path, paths):
        if not given.exists():
            raise InvalidOutcomes(f"{given} doesn't exist; name parquet files, or directories that hold some.")
        found = sorted(given.glob("**/*.parquet")) if given.is_dir() else [given]
        if not found:
            raise InvalidOutcomes(f"{given} holds no parquet file.")
        files += found
    if not files:
        raise InvalidOutcomes("No outcomes were named; give at least one parquet file or directory.")
    return files


def _assemble(tables: list[Table]) -> Outcomes:
    prompts = {name: np.concatenate([table.prompts[name] for table in tables]) for name in tables[0].prompts}
    ids = prompts["prompt_id"].tolist()
    if len(set(ids)) != len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise InvalidOutcomes(f"prompt_id {twice!r} occurs in several files; ids must be unique within all files.")
    sources = [table.prompts["source"][table.outcome_prompt] for table in tables]
    columns = sorted(
        {
            pair
            for table, source in zip(tables, sources, strict=True)
            for pair in zip(source.tolist(), table.outcome_model.tolist(), strict=True)
        }
    )
    index = {column: position for position, column in enumerate(columns)}
    scores = np.full((len(ids), len(columns)), np.nan, dtype=np.float32)
    tokens = scores.copy()
    start = 0
    for table, source in zip(tables, sources, strict=True):
        rows = table.outcome_prompt + start
        places = [index[pair] for pair in zip(source.tolist(), table.outcome_model.tolist(), strict=True)]
        scores[rows, places] = table.score
        tokens[rows, places] = table.output_tokens
        start += len(table.prompts["prompt_id"])
    return Outcomes(
        prompt_ids=tuple(ids),
        sources=prompts["source"],
        task_types=prompts["task_type"],
        splits=prompts["split"],
        groups=prompts["group"],
        texts=tuple(text for table in tables for text in table.texts or ()) if tables[0].texts is not None else None,
        features=None
        if tables[0].texts is not None
        else Features.concatenate([t.features for t in tables if t.features]),
        input_tokens=prompts["input_tokens"].astype(np.float32),
        columns=tuple(columns),
        scores=scores,
        output_tokens=tokens,
        digests=_digests(tables),
        encoder=tables[0].encoder,
        contributors=_contributors(tables),
    )


def _contributors(tables: list[Table]) -> npt.NDArray[np.str_] | None:
    if all(table.contributors is None for table in tables):
        return None
    return np.concatenate(
        [table.prompts["source"] if table.contributors is None else table.contributors for table in tables]
    )


def _digests(tables: list[Table]) -> dict[str, str]:
    names = [table.name for table in tables]
    return {
        name if names.count(name) == 1 else f"{name} ({number})": table.sha256
        for number, (name, table) in enumerate(zip(names, tables, strict=True), start=1)
    }
