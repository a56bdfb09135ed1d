"""Read and validate outcome tables: parquet files of texts, or of feature rows, into one matrix with missing entries.

Both have one schema, described in `datasets/README.md`. A *text* table has one row per (prompt_id, model) and the text;
a *feature* table has one row per prompt, features instead of the text, and the outcomes as lists.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pointsman.errors import InvalidOutcomes
from pointsman.prediction import FEATURE_VERSION

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Prompts = dict[str, npt.NDArray[Any]]

TEXT_COLUMNS: Final = (
    "prompt_id",
    "source",
    "task_type",
    "split",
    "group",
    "text",
    "model",
    "score",
    "input_tokens",
    "output_tokens",
)
ROW_COLUMNS: Final = (
    "prompt_id",
    "source",
    "task_type",
    "split",
    "group",
    "fast",
    "deep",
    "counts",
    "input_tokens",
    "models",
    "scores",
    "output_tokens",
)
PROMPT_NAMES: Final = ("prompt_id", "source", "task_type", "split", "group")
SPLITS: Final = ("train", "dev")


@dataclass(frozen=True)
class Features:
    """Embeddings at both depths (n, d) and text counts (n, c), float32."""

    fast: Floats
    deep: Floats
    counts: Floats

    def __len__(self) -> int:
        return len(self.counts)

    def take(self, rows: Integers) -> "Features":
        """Return the features of these rows."""
        return Features(self.fast[rows], self.deep[rows], self.counts[rows])

    @staticmethod
    def concatenate(parts: "Sequence[Features]") -> "Features":
        """Return the features of all parts, one after the other."""
        return Features(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in ("fast", "deep", "counts"))
        )


@dataclass(frozen=True)
class Outcomes:
    """n prompts by m columns, a column being one model in one source.

    `scores`, `output_tokens` (n, m) hold NaN where nothing was observed; `texts` is None where features came instead of
    texts, and `encoder` then names the model and layer they were made with. `digests` maps file names to their SHA-256.
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

    def __len__(self) -> int:
        return len(self.prompt_ids)

    @property
    def models(self) -> tuple[str, ...]:
        """All models, each once, in alphabetical order."""
        return tuple(sorted({model for _, model in self.columns}))


def read_outcomes(paths: Iterable[str | os.PathLike[str]]) -> Outcomes:
    """Return the outcomes of all parquet files named or lying in the directories named.

    Raises:
        InvalidOutcomes: no file, a column missing, a score outside [0, 1], a duplicate (prompt_id, model), an unknown
            split, or text and feature tables mixed; the message names file, column and row.
    """
    tables = [_Table.read(path) for path in _parquet_files(paths)]
    if len({(table.has_text, table.encoder) for table in tables}) > 1:
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


@dataclass(frozen=True)
class _Table:
    """One file as flat arrays: prompts (first occurrence) and outcomes that point at them."""

    prompts: Prompts
    texts: list[str] | None
    features: Features | None
    outcome_prompt: Integers
    outcome_model: npt.NDArray[np.str_]
    score: Floats
    output_tokens: Floats
    name: str
    sha256: str
    encoder: tuple[str, int] | None = None

    @property
    def has_text(self) -> bool:
        return self.texts is not None

    @staticmethod
    def read(path: Path) -> "_Table":
        try:
            table = pq.read_table(path)
        except (pa.ArrowException, OSError) as error:
            raise InvalidOutcomes(f"{path} can't be read as parquet: {str(error).splitlines()[0]}") from None
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        is_rows = "fast" in table.column_names
        wanted = ROW_COLUMNS if is_rows else TEXT_COLUMNS
        if missing := [name for name in wanted if name not in table.column_names]:
            raise InvalidOutcomes(
                f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; it has "
                f"{', '.join(table.column_names)}. The schema is described in datasets/README.md."
            )
        return _read_feature_table(path, table, sha256) if is_rows else _read_text_table(path, table, sha256)


def _read_text_table(path: Path, table: pa.Table, sha256: str) -> _Table:
    ids = _strings(path, table, "prompt_id")
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    first = first[order]
    prompts: Prompts = {name: _strings(path, table, name)[first] for name in PROMPT_NAMES}
    prompts["input_tokens"] = _numbers(path, table, "input_tokens")[first]
    return _checked(
        _Table(
            prompts=prompts,
            texts=_strings(path, table, "text")[first].tolist(),
            features=None,
            outcome_prompt=rank[inverse],
            outcome_model=_strings(path, table, "model"),
            score=_numbers(path, table, "score"),
            output_tokens=_numbers(path, table, "output_tokens"),
            name=path.name,
            sha256=sha256,
        ),
        path,
    )


def _read_feature_table(path: Path, table: pa.Table, sha256: str) -> _Table:
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    if metadata.get("feature_version") != str(FEATURE_VERSION):
        raise InvalidOutcomes(
            f"{path} holds features of version {metadata.get('feature_version')}; this release computes version "
            f"{FEATURE_VERSION}. Make the rows again from the texts."
        )
    features = Features(
        *(
            _unpacked(path, table, name, np.dtype(dtype)) * np.float32(metadata[f"{name}_step"])
            for name, dtype in (("fast", np.int8), ("deep", np.int8), ("counts", np.float16))
        )
    )
    prompts: Prompts = {name: _strings(path, table, name) for name in PROMPT_NAMES}
    prompts["input_tokens"] = _numbers(path, table, "input_tokens")
    models = table.column("models").combine_chunks()
    lengths = models.value_lengths().to_numpy(zero_copy_only=False)
    score, output_tokens = (
        table.column(name).combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.float32)
        for name in ("scores", "output_tokens")
    )
    return _checked(
        _Table(
            prompts=prompts,
            texts=None,
            features=features,
            outcome_prompt=np.repeat(np.arange(len(table)), lengths),
            outcome_model=np.array(models.flatten().to_pylist(), dtype=np.str_),
            score=score,
            output_tokens=output_tokens,
            name=path.name,
            sha256=sha256,
            encoder=(metadata["encoder"], int(metadata["layer"])),
        ),
        path,
    )


def _checked(table: _Table, path: Path) -> _Table:
    ids = table.prompts["prompt_id"][table.outcome_prompt]
    wrong = ~((table.score >= 0) & (table.score <= 1))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InvalidOutcomes(
            f"{path}, row {row}: score is {table.score[row]:g} for prompt {str(ids[row])!r} and model "
            f"{str(table.outcome_model[row])!r}; expected a number from 0 to 1."
        )
    strange = sorted(set(table.prompts["split"].tolist()) - set(SPLITS))
    if strange:
        raise InvalidOutcomes(f"{path}: split is {strange[0]!r}; expected one of {', '.join(SPLITS)}.")
    pairs = np.char.add(np.char.add(ids, "\x1f"), table.outcome_model)
    values, counts = np.unique(pairs, return_counts=True)
    if (counts > 1).any():
        prompt, model = str(values[counts > 1][0]).split("\x1f")
        raise InvalidOutcomes(f"{path}: prompt {prompt!r} has several outcomes of model {model!r}; keep one of them.")
    return table


def _assemble(tables: list[_Table]) -> Outcomes:
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
        texts=tuple(text for table in tables for text in table.texts or ()) if tables[0].has_text else None,
        features=None if tables[0].has_text else Features.concatenate([t.features for t in tables if t.features]),
        input_tokens=prompts["input_tokens"].astype(np.float32),
        columns=tuple(columns),
        scores=scores,
        output_tokens=tokens,
        digests={table.name: table.sha256 for table in tables},
        encoder=tables[0].encoder,
    )


def _strings(path: Path, table: pa.Table, name: str) -> npt.NDArray[np.str_]:
    column = table.column(name)
    if column.null_count:
        raise InvalidOutcomes(f"{path}: column {name} has {column.null_count} empty entries; every row needs one.")
    try:
        return np.array(column.cast(pa.string()).to_pylist(), dtype=object if name == "text" else np.str_)
    except pa.ArrowInvalid:
        raise InvalidOutcomes(f"{path}: column {name} has type {column.type}; expected text.") from None


def _numbers(path: Path, table: pa.Table, name: str) -> Floats:
    column = table.column(name)
    try:
        numbers: Floats = column.cast(pa.float32(), safe=False).to_numpy().astype(np.float32)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InvalidOutcomes(f"{path}: column {name} has type {column.type}; expected numbers.") from None
    if name != "score" and (bad := np.flatnonzero(numbers < 0)).size:
        raise InvalidOutcomes(f"{path}, row {bad[0]}: {name} is {numbers[bad[0]]:g}; expected a count of tokens.")
    return numbers


def _unpacked(path: Path, table: pa.Table, name: str, dtype: np.dtype[Any]) -> Floats:
    blobs = table.column(name).to_pylist()
    widths = {len(blob) for blob in blobs}
    if len(widths) != 1:
        raise InvalidOutcomes(f"{path}: entries of column {name} have {len(widths)} different widths; expected one.")
    values: npt.NDArray[Any] = np.frombuffer(b"".join(blobs), dtype=dtype).reshape(len(blobs), -1)
    return values.astype(np.float32)
