"""Figures of protocols as SVG text: lines over a number of labels, and values with their intervals."""

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite
from typing import Final

from pointsman_training.evaluation.bootstrap import Interval
from pointsman_training.evaluation.drawing import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axes, frame, svg_of

_STYLES: Final = ("first", "second", "third", "fourth")
Line = Sequence[tuple[float, float]]


def lines_svg(lines: Mapping[str, Line], x_title: str, y_title: str) -> str:
    """Return up to four lines of (x, y) points by name, x logarithmic; points without a value are left out."""
    lines = {name: [point for point in line if isfinite(point[1])] for name, line in lines.items()}
    points = [point for line in lines.values() for point in line]
    xs, ys = sorted({x for x, _ in points}), [y for _, y in points]
    pad = max(max(ys) - min(ys), 0.01) * 0.08
    axes = Axes(xs[0] / 1.1, xs[-1] * 1.1, min(ys) - pad, max(ys) + pad, is_log=True)
    parts = [frame(axes, [(x, f"{x:,.0f}") for x in xs], x_title, y_title)]
    for row, ((name, line), style) in enumerate(zip(lines.items(), _STYLES, strict=False)):
        path = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in line)
        parts.append(f'<polyline class="line {style}" points="{path}"/>')
        parts += [f'<circle class="model" cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="3"/>' for x, y in line]
        height = TOP + 16 + 18 * row
        parts.append(f'<line class="line {style}" x1="{WIDTH - 270}" x2="{WIDTH - 242}" y1="{height}" y2="{height}"/>')
        parts.append(f'<text x="{WIDTH - 234}" y="{height + 4}">{escape(name)}</text>')
    return svg_of(parts, f"{y_title} by {x_title}")


def intervals_svg(values: Mapping[str, Interval], title: str) -> str:
    """Return values by name as dots with their intervals, on one scale up to 1; undefined ones are left out."""
    values = {name: value for name, value in values.items() if isfinite(value.value)}
    low = min([0.0, *(value.low for value in values.values())])
    left, right, step = LEFT + 120, WIDTH - RIGHT, (HEIGHT - TOP - BOTTOM) / max(len(values), 1)

    def x(value: float) -> float:
        return left + (right - left) * (value - low) / (1 - low)

    parts = [
        f'<line class="grid" x1="{x(tick / 5):.1f}" x2="{x(tick / 5):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text text-anchor="middle" x="{x(tick / 5):.1f}" y="{HEIGHT - BOTTOM + 18}">{tick / 5:.1f}</text>'
        for tick in range(6)
    ]
    for row, (name, value) in enumerate(values.items()):
        y = TOP + step * (row + 0.5)
        parts.append(f'<text text-anchor="end" x="{left - 12}" y="{y + 4:.1f}">{escape(name)}</text>')
        parts.append(f'<line class="line first" x1="{x(value.low):.1f}" x2="{x(value.high):.1f}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="dot first" cx="{x(value.value):.1f}" cy="{y}" r="5"/>')
    parts.append(f'<text text-anchor="middle" x="{(left + right) / 2:.0f}" y="{HEIGHT - 10}">{escape(title)}</text>')
    return svg_of(parts, title)
