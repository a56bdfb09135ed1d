"""One parquet file of outcomes, read and validated: a *text* table or a *feature* table.

The schema of both is described in `datasets/README.md`. A text table has one row per (prompt_id, model) and the text; a
feature table has one row per prompt, features instead of the text, and the outcomes as lists.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pointsman.errors import InvalidOutcomes
from pointsman.prediction import FEATURE_NAMES, FEATURE_VERSION

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
CONTRIBUTOR: Final = "contributor"
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
class Table:
    """One file as flat arrays: prompts (first occurrence) and outcomes that point at them.

    Either `texts` or `features` are there; `encoder` names the model and layer that features were made with.
    `contributors` says who brought each prompt, None where the file doesn't.
    """

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
    contributors: npt.NDArray[np.str_] | None = None


def read_table(path: Path, contributor: str = CONTRIBUTOR) -> Table:
    """Return the table of one file; the column `contributor` is optional.

    Raises:
        InvalidOutcomes: no parquet, a column missing or of the wrong type, a score outside [0, 1], a duplicate
            (prompt_id, model), an unknown split, or rows of another feature version; file, column and row are named.
    """
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InvalidOutcomes(f"{path} can't be read as parquet: {str(error).splitlines()[0]}") from None
    is_rows = "fast" in table.column_names
    wanted = ROW_COLUMNS if is_rows else TEXT_COLUMNS
    if missing := [name for name in wanted if name not in table.column_names]:
        raise InvalidOutcomes(
            f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; it has "
            f"{', '.join(table.column_names)}. The schema is described in datasets/README.md."
        )
    if not len(table):
        raise InvalidOutcomes(f"{path} has no rows.")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    read = _feature_table if is_rows else _text_table
    named = contributor if contributor in table.column_names else None
    return _checked(read(path, table, sha256, named), path)


def _text_table(path: Path, table: pa.Table, sha256: str, contributor: str | None) -> Table:
    ids = _strings(path, table, "prompt_id")
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    first, prompt = first[order], rank[inverse]
    columns = {
        name: _strings(path, table, name) for name in (*PROMPT_NAMES, "text", *((contributor,) if contributor else ()))
    }
    _check_splits(path, columns["split"])
    for name, values in columns.items():
        if (changed := np.flatnonzero(values != values[first][prompt])).size:
            row = int(changed[0])
            raise InvalidOutcomes(
                f"{path}, row {row}: {name} of prompt {str(ids[row])!r} differs from its first row's."
            )
    texts = columns["text"][first].tolist()
    if (empty := next((index for index, text in enumerate(texts) if not text.strip()), None)) is not None:
        raise InvalidOutcomes(f"{path}, row {first[empty]}: text is empty; expected the prompt.")
    prompts: Prompts = {name: columns[name][first] for name in PROMPT_NAMES}
    prompts["input_tokens"] = _numbers(path, table, "input_tokens")[first]
    return Table(
        prompts=prompts,
        texts=texts,
        features=None,
        outcome_prompt=prompt,
        outcome_model=_strings(path, table, "model"),
        score=_numbers(path, table, "score"),
        output_tokens=_numbers(path, table, "output_tokens"),
        name=path.name,
        sha256=sha256,
        contributors=columns[contributor][first] if contributor else None,
    )


def _feature_table(path: Path, table: pa.Table, sha256: str, contributor: str | None) -> Table:
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    if metadata.get("feature_version") != str(FEATURE_VERSION):
        raise InvalidOutcomes(
            f"{path} holds features of version {metadata.get('feature_version')}; this release computes version "
            f"{FEATURE_VERSION}. Make the rows again from the texts."
        )
    try:
        steps = {name: np.float32(metadata[f"{name}_step"]) for name in ("fast", "deep", "counts")}
        encoder = (metadata["encoder"], int(metadata["layer"]))
    except (KeyError, ValueError):
        raise InvalidOutcomes(
            f"{path}: its metadata lack or garble encoder, layer or steps; make the rows again."
        ) from None
    prompts: Prompts = {name: _strings(path, table, name) for name in PROMPT_NAMES}
    _check_splits(path, prompts["split"])
    prompts["input_tokens"] = _numbers(path, table, "input_tokens")
    lists = {name: table.column(name).combine_chunks() for name in ("models", "scores", "output_tokens")}
    lengths = [_list_lengths(path, name, column) for name, column in lists.items()]
    if any((other != lengths[0]).any() for other in lengths[1:]):
        raise InvalidOutcomes(f"{path}: models, scores and output_tokens of a prompt must be equally long.")
    models = lists["models"].flatten()
    if models.null_count:
        raise InvalidOutcomes(f"{path}: column models has {models.null_count} empty names.")
    return Table(
        prompts=prompts,
        texts=None,
        features=Features(
            _unpacked(path, table, "fast", np.dtype(np.int8)) * steps["fast"],
            _unpacked(path, table, "deep", np.dtype(np.int8)) * steps["deep"],
            _unpacked(path, table, "counts", np.dtype(np.float16), len(FEATURE_NAMES)) * steps["counts"],
        ),
        outcome_prompt=np.repeat(np.arange(len(table)), lengths[0]),
        outcome_model=np.array(models.to_pylist(), dtype=np.str_),
        score=_floats(path, "scores", lists["scores"].flatten()),
        output_tokens=_tokens(path, "output_tokens", _floats(path, "output_tokens", lists["output_tokens"].flatten())),
        name=path.name,
        sha256=sha256,
        encoder=encoder,
        contributors=_strings(path, table, contributor) if contributor else None,
    )


def _check_splits(path: Path, splits: npt.NDArray[np.str_]) -> None:
    if strange := sorted(set(splits.tolist()) - set(SPLITS)):
        raise InvalidOutcomes(f"{path}: split is {strange[0]!r}; expected one of {', '.join(SPLITS)}.")


def _list_lengths(path: Path, name: str, column: pa.Array) -> Integers:
    if not pa.types.is_list(column.type) or column.null_count:
        raise InvalidOutcomes(f"{path}: column {name} has type {column.type} or empty entries; expected a list a row.")
    lengths: Integers = column.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    return lengths


def _checked(table: Table, path: Path) -> Table:
    ids = table.prompts["prompt_id"][table.outcome_prompt]
    wrong = ~((table.score >= 0) & (table.score <= 1))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InvalidOutcomes(
            f"{path}, row {row}: score is {table.score[row]:g} for prompt {str(ids[row])!r} and model "
            f"{str(table.outcome_model[row])!r}; expected a number from 0 to 1."
        )
    names, model = np.unique(table.outcome_model, return_inverse=True)
    pairs = table.outcome_prompt * len(names) + model
    _, first, counts = np.unique(pairs, return_index=True, return_counts=True)
    if (counts > 1).any():
        row = int(first[counts > 1].min())
        raise InvalidOutcomes(
            f"{path}: prompt {str(ids[row])!r} has several outcomes of model {str(table.outcome_model[row])!r}; "
            "keep one of them."
        )
    return table


def _strings(path: Path, table: pa.Table, name: str) -> npt.NDArray[np.str_]:
    column = table.column(name)
    if column.null_count:
        raise InvalidOutcomes(f"{path}: column {name} has {column.null_count} empty entries; every row needs one.")
    try:
        return np.array(column.cast(pa.string()).to_pylist(), dtype=object if name == "text" else np.str_)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InvalidOutcomes(f"{path}: column {name} has type {column.type}; expected text.") from None


def _numbers(path: Path, table: pa.Table, name: str) -> Floats:
    numbers = _floats(path, name, table.column(name))
    if name == "score":
        return numbers
    if name == "input_tokens" and (bad := np.flatnonzero(~np.isfinite(numbers))).size:
        raise InvalidOutcomes(f"{path}, row {bad[0]}: input_tokens is empty or infinite; expected a count of tokens.")
    return _tokens(path, name, numbers)


def _floats(path: Path, name: str, column: pa.ChunkedArray | pa.Array) -> Floats:
    try:
        values = column.cast(pa.float32(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InvalidOutcomes(f"{path}: column {name} has type {column.type}; expected numbers.") from None
    numbers: Floats = (values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])).to_numpy()
    return numbers.astype(np.float32)


def _tokens(path: Path, name: str, numbers: Floats) -> Floats:
    if (bad := np.flatnonzero((numbers < 0) | np.isinf(numbers))).size:
        raise InvalidOutcomes(f"{path}, row {bad[0]}: {name} is {numbers[bad[0]]:g}; expected a count of tokens.")
    return numbers


def _unpacked(path: Path, table: pa.Table, name: str, dtype: np.dtype[Any], width: int | None = None) -> Floats:
    column = table.column(name)
    if column.null_count or not pa.types.is_binary(column.type):
        raise InvalidOutcomes(f"{path}: column {name} has type {column.type} or empty entries; expected bytes a row.")
    blobs = column.to_pylist()
    widths = {len(blob) // dtype.itemsize if len(blob) % dtype.itemsize == 0 else -1 for blob in blobs}
    if len(widths) != 1 or widths - {width or max(widths)} or min(widths) < 1:
        raise InvalidOutcomes(
            f"{path}: entries of column {name} have widths {sorted(widths)}; expected {width or 'one'}."
        )
    values: npt.NDArray[Any] = np.frombuffer(b"".join(blobs), dtype=dtype).reshape(len(blobs), -1)
    return values.astype(np.float32)
