"""Text → token ids: the short window of a text that the encoder reads.

A text of more tokens than the window is read at both ends, where instructions stand: half the window from the head and
half from the tail.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from pointsman.errors import BundleError

CHARACTERS_PER_TOKEN: Final = 12
"""Characters read per token of the window; words longer than this on average leave a part of the window empty."""

_CACHED_CHUNKS: Final = 50_000
_LONGEST_CACHED: Final = 40
_NOT_SPACE_TO_BERT: Final = re.compile("[\x0b\x0c\x1c-\x1f\x85]")

Ids = npt.NDArray[np.int64]
Pooling = npt.NDArray[np.float64]


class _Kind(msgspec.Struct):
    """What of a tokenizer's file says how it splits; the vocabulary, nearly all of it, isn't decoded for that."""

    pre_tokenizer: Any = None


_BERT: Final = {"type": "BertPreTokenizer"}


class TextEncoder:
    """Turns texts into token ids for the graph; safe to share between threads.

    A tokenizer of BERT's kind never joins what white space separates, so ids are cached by chunk: measured, a
    fifth of the tokenizer's time on short texts. Python and BERT disagree on eight control characters as white space;
    a text that has one goes to the tokenizer whole.
    """

    def __init__(self, tokenizer_json: str, *, max_tokens: int) -> None:
        try:
            self._tokenizer = Tokenizer.from_str(tokenizer_json)
            self._is_chunked = msgspec.json.decode(tokenizer_json, type=_Kind).pre_tokenizer == _BERT
        except Exception as error:  # tokenizers' errors share no narrower base
            raise BundleError(f"tokenizer.json can't be read as a tokenizer: {error}") from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        prefix_and_suffix = self._tokenizer.encode("", add_special_tokens=True).ids
        half = (len(prefix_and_suffix) + 1) // 2
        self._prefix, self._suffix = prefix_and_suffix[:half], prefix_and_suffix[half:]
        self._window = max_tokens - len(prefix_and_suffix)
        self._head = (self._window + 1) // 2
        self._tail = self._window - self._head
        self._slice = self._head * CHARACTERS_PER_TOKEN
        self._ids_by_chunk: dict[str, list[int]] = {}

    def token_ids(self, text: str) -> list[int]:
        """Return the ids of one text, special tokens included, at most `max_tokens`; no text is refused."""
        if len(text) <= 2 * self._slice:
            ids = self._ids(text)
            if len(ids) > self._window:
                ids = ids[: self._head] + ids[len(ids) - self._tail :]
        else:
            head, tail = self._ids(text[: self._slice]), self._ids(text[-self._slice :])
            ids = head[: self._head] + tail[max(len(tail) - self._tail, 0) :]
        return [*self._prefix, *ids, *self._suffix]

    def padded(self, texts: Sequence[str]) -> tuple[Ids, Pooling]:
        """Return ids (n_texts, longest) and the weights (n_texts, 1, longest) that pool each text's own tokens."""
        rows = [self.token_ids(text) for text in texts]
        longest = max(map(len, rows), default=0)
        ids = np.zeros((len(rows), longest), dtype=np.int64)
        pooling = np.zeros((len(rows), 1, longest), dtype=np.float64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            pooling[index, 0, : len(row)] = 1 / len(row)
        return ids, pooling

    def _ids(self, text: str) -> list[int]:
        if not self._is_chunked or _NOT_SPACE_TO_BERT.search(text):
            return self._tokenized(text)
        ids: list[int] = []
        known = self._ids_by_chunk.get
        for chunk in text.split():
            ids += known(chunk) or self._learned(chunk)
        return ids

    def _learned(self, chunk: str) -> list[int]:
        ids = self._tokenized(chunk)
        if len(chunk) <= _LONGEST_CACHED and len(self._ids_by_chunk) < _CACHED_CHUNKS:
            self._ids_by_chunk[chunk] = ids
        return ids

    def _tokenized(self, text: str) -> list[int]:
        text = text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def encoder_feeds(ids: Ids, pooling: Pooling) -> dict[str, npt.NDArray[Any]]:
    """Return what the encoder's part of the graph reads: ids (n, t), their positions (t,), and pooling (n, 1, t)."""
    return {"input_ids": ids, "positions": np.arange(ids.shape[1]), "pooling": pooling}


def pooling_of(ids: Ids) -> Pooling:
    """Return the weights that pool unpadded ids (n, t) by their mean: float64 (n, 1, t)."""
    n, t = ids.shape
    return np.full((n, 1, t), 1 / t)
