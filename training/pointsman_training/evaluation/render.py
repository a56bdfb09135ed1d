"""The report for a terminal, and as one page of HTML that needs nothing from outside."""

from collections.abc import Sequence
from html import escape
from typing import Final

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from pointsman_training.evaluation.drawing import STYLE, cost_quality_svg, reliability_svg
from pointsman_training.evaluation.protocols.protocol import ProtocolReport
from pointsman_training.evaluation.report import Report
from pointsman_training.evaluation.tables import Table, headline, tables

_STYLE: Final = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;
padding:0 1rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums;width:100%}
caption{text-align:left;font-weight:600;padding:1.2rem 0 .4rem}th,td{padding:.25rem .6rem;
border-bottom:1px solid var(--soft);text-align:right}
th.word,td.word{text-align:left}.warning{border-left:4px solid var(--c);padding-left:.8rem}
svg{width:100%;height:auto}
"""


def print_report(report: Report, console: Console) -> None:
    """Print every table, and the notes."""
    console.print(Text(headline(report), style="bold red" if report.setup.is_unseen is False else "bold"))
    _print(tables(report), report.setup.notes, console)


def print_protocol(report: ProtocolReport, console: Console) -> None:
    """Print every table of a protocol, and the notes."""
    console.print(Text(report.headline, style="bold"))
    _print(report.tables, report.notes, console)


def _print(tables: Sequence[Table], notes: Sequence[str], console: Console) -> None:
    for table in tables:
        shown = RichTable(title=Text(table.title), title_justify="left")
        for place, head in enumerate(table.heads):
            shown.add_column(Text(head), justify="left" if place < table.texts else "right", overflow="fold")
        for row in table.rows:
            shown.add_row(*map(Text, row))
        console.print(shown)
    for note in notes:
        console.print(Text(f"- {note}"))


def page_of(report: Report) -> bytes:
    """Return the report as a page of HTML, styles and figures inside, readable in light and dark."""
    kind = ' class="warning"' if report.setup.is_unseen is False else ""
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.setup.notes)
    body = "".join(_table(table) for table in tables(report))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>Pointsman evaluation</title><style>{STYLE}{_STYLE}</style></head><body>'
        f"<h1>Pointsman evaluation</h1><p{kind}>{escape(headline(report))}</p><ul>{notes}</ul>"
        f"<h2>Cost and quality</h2>{cost_quality_svg(report)}<h2>Reliability</h2>{reliability_svg(report)}"
        f"<h2>Figures</h2>{body}</body></html>"
    ).encode()


def markdown_of(table: Table) -> str:
    """Return a table as Markdown, its title above it."""
    lines = [table.heads, tuple("---" if place < table.texts else "---:" for place in range(len(table.heads)))]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (*lines, *table.rows)]
    return f"{table.title}:\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in cells) + "\n"


def _table(table: Table) -> str:
    def row(cells: tuple[str, ...], tag: str) -> str:
        marks = [' class="word"' if place < table.texts else "" for place in range(len(cells))]
        return "".join(f"<{tag}{mark}>{escape(cell)}</{tag}>" for mark, cell in zip(marks, cells, strict=True))

    rows = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in table.rows)
    heads = f"<thead><tr>{row(table.heads, 'th')}</tr></thead>"
    return (
        f'<div class="scroll"><table><caption>{escape(table.title)}</caption>{heads}<tbody>{rows}</tbody></table></div>'
    )
