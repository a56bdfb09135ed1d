"""A long list in chunks, with a progress bar where someone is looking."""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

CHUNK: Final = 2_000
"""Texts between two steps of the bar; the pass over them is vectorised, and larger chunks gain nothing."""

Item = TypeVar("Item")


def chunks(items: Sequence[Item], label: str) -> Iterator[Sequence[Item]]:
    """Yield the items in chunks of `CHUNK`; the bar is on standard error, and only if that is a terminal."""
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(label, total=len(items))
        for start in range(0, len(items), CHUNK):
            chunk = items[start : start + CHUNK]
            yield chunk
            progress.advance(bar, len(chunk))
