"""Questions of one place, the nearest first: cosine over a matrix of embeddings."""

from typing import Final

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]

MAX_QUESTIONS: Final = 4096
"""Questions of one place; the oldest gives way."""
_FEWEST_ROWS: Final = 8


def unit(embedding: npt.ArrayLike) -> Vector:
    """Return the embedding as float32 of length 1; zeros stay zeros."""
    vector = np.asarray(embedding, dtype=np.float32).reshape(-1)
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length > 0 else vector


class Neighbourhood:
    """The embeddings of one place by the digest of their entry; at most `most`."""

    def __init__(self, most: int = MAX_QUESTIONS) -> None:
        self._most = most
        self._digests: list[bytes] = []
        self._row_by_digest: dict[bytes, int] = {}
        self._matrix = np.zeros((0, 0), dtype=np.float32)

    def __len__(self) -> int:
        return len(self._digests)

    def add(self, digest: bytes, vector: Vector) -> None:
        """Add, or replace, the vector of an entry; it must have length 1."""
        row = self._row_by_digest.get(digest)
        if row is None:
            if len(self._digests) >= self._most:
                self.remove(next(iter(self._row_by_digest)))
            row = len(self._digests)
            self._digests.append(digest)
            self._row_by_digest[digest] = row
        self._make_room(row, len(vector))
        self._matrix[row] = vector

    def remove(self, digest: bytes) -> None:
        """Forget an entry; one that isn't there is passed over."""
        row = self._row_by_digest.pop(digest, None)
        if row is None:
            return
        last = self._digests.pop()
        if last != digest:
            self._digests[row] = last
            self._row_by_digest[last] = row
            self._matrix[row] = self._matrix[len(self._digests)]

    def nearest(self, vector: Vector, *, at_least: float, most: int) -> list[tuple[bytes, float]]:
        """Return digests with a cosine of `at_least`, at most `most`, the nearest first."""
        count = len(self._digests)
        if not count or self._matrix.shape[1] != len(vector):
            return []
        cosines = self._matrix[:count] @ vector
        near = np.flatnonzero(cosines >= at_least)
        order = near[np.argsort(-cosines[near], kind="stable")][:most]
        return [(self._digests[row], float(cosines[row])) for row in order]

    def _make_room(self, row: int, width: int) -> None:
        rows, columns = self._matrix.shape
        if columns != width:
            self._matrix = np.zeros((_FEWEST_ROWS, width), dtype=np.float32)
            rows = _FEWEST_ROWS
        if row >= rows:
            grown = np.zeros((2 * rows, width), dtype=np.float32)
            grown[:rows] = self._matrix
            self._matrix = grown
