"""The signs by which an answer is judged: named numbers, 0 where all is well."""

from typing import Final

import msgspec


class Signals(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was seen of one answer. Each is 0 where all is well and greater where not; None where it doesn't apply.

    In [0, 1], where 1 is certain:
    `empty` nothing was said; `refusal` it opens by refusing; `hedging` it says that it doesn't know; `truncated` it
    stops at the limit of tokens (1) or inside a code block (0.5); `json_broken` JSON was asked for, and it is none (1)
    or hidden in a code block (0.5); `schema_broken` it is JSON that the schema refuses; `code_missing` code was asked
    for and there is no block of it; `code_broken` the share of its Python and JSON blocks that don't parse; `loops` the
    share of the text that repeats itself; `echo` it gives the question back; `wrong_language` it isn't in the language
    of the question; `demands_broken` the share of explicit demands ("at most 50 words") that it misses;
    `disagreement` one less the agreement of samples; `judged_poor` one less a judge's score.

    In natural logarithms, of the length in tokens against the predicted one: `short_by` and `long_by` count what is
    beyond a factor of e.
    """

    empty: float | None = None
    refusal: float | None = None
    hedging: float | None = None
    truncated: float | None = None
    json_broken: float | None = None
    schema_broken: float | None = None
    code_missing: float | None = None
    code_broken: float | None = None
    loops: float | None = None
    echo: float | None = None
    wrong_language: float | None = None
    demands_broken: float | None = None
    short_by: float | None = None
    long_by: float | None = None
    disagreement: float | None = None
    judged_poor: float | None = None

    def seen(self) -> dict[str, float]:
        """Return the signs that apply, by name."""
        values = {name: getattr(self, name) for name in SIGNALS}
        return {name: value for name, value in values.items() if value is not None}


SIGNALS: Final[tuple[str, ...]] = Signals.__struct_fields__
