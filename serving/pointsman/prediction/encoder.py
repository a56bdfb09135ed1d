"""Text → token ids: the short window of a text that the encoder reads.

A text of more tokens than the window is read at both ends, where instructions stand: half the window from the head and
half from the tail. Measured on the outcomes in `datasets/`: a window of 64 tokens loses nothing against the whole text.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

CHARACTERS_PER_TOKEN: Final = 12
"""Characters read per token of the window; words longer than this on average leave a part of the window empty."""

Ids = npt.NDArray[np.int64]


class TextEncoder:
    """Turns texts into token ids for the graph; immutable and safe to share between threads."""

    def __init__(self, tokenizer_json: str, *, max_tokens: int) -> None:
        self._tokenizer = Tokenizer.from_str(tokenizer_json)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        prefix_and_suffix = self._tokenizer.encode("", add_special_tokens=True).ids
        half = (len(prefix_and_suffix) + 1) // 2
        self._prefix, self._suffix = prefix_and_suffix[:half], prefix_and_suffix[half:]
        self._window = max_tokens - len(prefix_and_suffix)
        self._head = (self._window + 1) // 2
        self._slice = self._head * CHARACTERS_PER_TOKEN

    def token_ids(self, text: str) -> list[int]:
        """Return the ids of one text, special tokens included, at most `max_tokens`; no text is refused."""
        text = text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text
        if len(text) <= 2 * self._slice:
            ids = self._ids(text)
            if len(ids) > self._window:
                ids = ids[: self._head] + ids[self._head - self._window :]
        else:
            head, tail = self._ids(text[: self._slice]), self._ids(text[-self._slice :])
            ids = head[: self._head] + tail[self._head - self._window :]
        return [*self._prefix, *ids, *self._suffix]

    def padded(self, texts: Sequence[str]) -> tuple[Ids, Ids]:
        """Return ids and attention mask of many texts, int64 (n_texts, longest)."""
        rows = [self.token_ids(text) for text in texts]
        longest = max(map(len, rows), default=0)
        ids = np.zeros((len(rows), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        return ids, mask

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids
