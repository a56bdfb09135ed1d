"""A page kept by hand with measured parts in it: what stands between two markers is written by a measurement.

A part starts at a line `<!-- figures: NAME -->` and goes to the next line `<!-- end -->`.
"""

import re
from collections.abc import Sequence
from typing import Final

from pointsman.errors import InvalidFile
from pointsman_training.evaluation.render import markdown_of
from pointsman_training.evaluation.tables import Table

_END: Final = "<!-- end -->"


def part(headline: str, tables: Sequence[Table], figures: Sequence[str], notes: Sequence[str]) -> str:
    """Return one part: what was measured, links to figures (paths seen from the page), all tables, and the notes."""
    pictures = [f"![{path.rsplit('/', 1)[-1].removesuffix('.svg')}]({path})\n" for path in figures]
    remarks = "".join(f"- {note}\n" for note in notes)
    return "\n".join([f"{headline}\n", *pictures, *map(markdown_of, tables), remarks]).strip()


def with_part(page: str, name: str, title: str, part: str) -> str:
    """Return the page with this part in place of the former one; under a heading at its end if it has none yet.

    Raises:
        InvalidFile: the page marks the part's start twice, or not its end.
    """
    start = f"<!-- figures: {name} -->"
    block = f"{start}\n{part}\n{_END}"
    found = page.count(start)
    if not found:
        return f"{page.rstrip()}\n\n## {title}\n\n{block}\n"
    after = page.partition(start)[2]
    ends = re.search(rf"{re.escape(_END)}|<!-- figures: ", after)
    if found > 1 or ends is None or ends.group() != _END:
        raise InvalidFile(f"The page must have {start} once, and {_END} after it before the next part.")
    return page.replace(start + after[: ends.end()], block)
