"""The log as a file: JSON with everything, CSV that a spreadsheet opens without running any of it."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from pointsman.errors import InvalidInput
from pointsman.events import Event
from pointsman.insight.period import Period
from pointsman.store.event_rows import TAG_COLUMNS
from pointsman.store.events import EventLog, Line

FORMATS: Final = ("json", "csv")
_NESTED: Final = ("tags", "features", "qualities", "attempts")
_PLAIN: Final = tuple(name for name in Event.__struct_fields__ if name not in _NESTED)
CSV_COLUMNS: Final = ("number", *_PLAIN, *TAG_COLUMNS, "other_tags", "attempts", "reported_quality")
_STARTS_FORMULA: Final = tuple("=+-@\t\r\n|＝＋－＠")
_MARK: Final = "'"


class Exported(msgspec.Struct, frozen=True):
    """A line of the JSON export; `outcomes` is what was reported about its decision."""

    number: int
    event: Event
    outcomes: list[msgspec.Raw]


def exported(log: EventLog, period: Period, form: str = "json") -> Iterator[bytes]:
    """Yield the lines of a file of the period's events, in order, reading a page of the log at a time.

    "json" is an array with an event a line, "csv" a table (RFC 4180 but for line ends) whose cells are defused.

    Raises:
        InvalidInput: another format.
        LedgerUnavailable: the log can't be read.
    """
    if form not in FORMATS:
        raise InvalidInput(f"format is {form!r:.80}; expected one of {', '.join(FORMATS)}.", field="format")
    lines = (line for page in log.pages(period.tenant, since=period.since, until=period.until) for line in page)
    return _json(lines) if form == "json" else _csv(lines)


def defused(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: one that might be, or that has the mark, gets a mark."""
    return _MARK + cell if cell.startswith((*_STARTS_FORMULA, _MARK)) else cell


def restored(cell: str) -> str:
    """Return what was defused."""
    return cell.removeprefix(_MARK)


def _json(lines: Iterable[Line]) -> Iterator[bytes]:
    before = b"["
    for line in lines:
        outcomes = [msgspec.Raw(body.encode()) for body in line.outcomes]
        yield before + msgspec.json.encode(Exported(line.number, line.event, outcomes))
        before = b","
    yield b"]" if before == b"," else b"[]"


def _csv(lines: Iterable[Line]) -> Iterator[bytes]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="")
    yield _written(writer, buffer, CSV_COLUMNS)
    for line in lines:
        yield _written(writer, buffer, _cells(line))


def _written(writer: Any, buffer: io.StringIO, row: Iterable[object]) -> bytes:
    writer.writerow([defused(cell) if isinstance(cell, str) else cell for cell in row])
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def _cells(line: Line) -> list[object]:
    event = line.event
    others = {kind: name for kind, name in event.tags.items() if kind not in TAG_COLUMNS}
    reported = [found for body in line.outcomes if (found := _quality(body)) is not None]
    return [
        line.number,
        *(getattr(event, name) for name in _PLAIN),
        *(event.tags.get(kind) for kind in TAG_COLUMNS),
        msgspec.json.encode(others).decode() if others else None,
        len(event.attempts),
        sum(reported) / len(reported) if reported else None,
    ]


def _quality(body: str) -> float | None:
    found = msgspec.json.decode(body).get("quality")
    return float(found) if isinstance(found, int | float) else None
