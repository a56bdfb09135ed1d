"""Figures as SVG text without any outside file: cost against quality, reliability, and the frame that all share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np

from pointsman_training.evaluation.report import Points, Report
from pointsman_training.evaluation.trial import POINTSMAN

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 16, 52
_DRAWN: Final = {
    POINTSMAN: "first",
    "hull of singles": "second",
    "task-type table, predicted type": "third",
    "kNN": "fourth",
}


STYLE: Final = """
:root{--ink:#1b1f24;--paper:#fff;--soft:#d5d9de;--a:#0b6bcb;--b:#6b7280;--c:#b45309;--d:#7c3aed}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--paper:#15181c;--soft:#3a4048;
--a:#5aa9ff;--b:#9aa3ad;--c:#f0a44b;--d:#b794f6}}
text{font:12px system-ui,sans-serif;fill:var(--ink)}.small{font-size:11px}
.grid{stroke:var(--soft)}.axis{stroke:var(--ink)}.line{fill:none;stroke-width:2}
.model{fill:var(--paper);stroke:var(--ink);stroke-width:1.5}
.first{stroke:var(--a)}.dot.first{fill:var(--a);fill-opacity:.6}.second{stroke:var(--b);stroke-dasharray:6 4}
.third{stroke:var(--c);stroke-dasharray:2 3}.fourth{stroke:var(--d);stroke-dasharray:8 3 2 3}
"""
"""Colours and lines of all figures, readable in light and dark."""


@dataclass(frozen=True)
class Axes:
    """Maps cost (logarithmic) or a share, and quality, to pixels."""

    left: float
    right: float
    low: float
    high: float
    is_log: bool

    def x(self, value: float) -> float:
        """Return the pixel from the left."""
        at, left, right = (math.log(v) if self.is_log else v for v in (max(value, self.left), self.left, self.right))
        return LEFT + (WIDTH - LEFT - RIGHT) * (at - left) / (right - left)

    def y(self, value: float) -> float:
        """Return the pixel from the top."""
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.high - value) / (self.high - self.low)

    def path(self, points: Points) -> str:
        """Return straight lines between points, drawn in small steps as the cost axis bends them."""
        grid = np.union1d(np.geomspace(points.cost_usd[0], points.cost_usd[-1], 60), points.cost_usd)
        heights = np.interp(grid, points.cost_usd, points.quality)
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in zip(grid, heights, strict=True))


def cost_quality_svg(report: Report) -> str:
    """Return the cost–quality figure: Pointsman's points, the hulls of the main routers, and every single model."""
    lines = {line.name: line for line in report.lines if line.name in _DRAWN}
    costs = [cost for model in report.models if (cost := model.cost_usd) > 0]
    costs += [cost for line in lines.values() for cost in line.points.cost_usd if cost > 0]
    qualities = [model.quality for model in report.models]
    qualities += [quality for line in lines.values() for quality in line.points.quality]
    pad = max(max(qualities) - min(qualities), 0.01) * 0.06
    axes = Axes(min(costs) / 1.15, max(costs) * 1.5, min(qualities) - pad, max(qualities) + pad, is_log=True)
    parts = [frame(axes, _dollar_ticks(axes), "mean cost per 1,000 tasks (USD, logarithmic)", "mean score")]
    for name, style in _DRAWN.items():
        if name in lines:
            parts.append(f'<polyline class="line {style}" points="{axes.path(lines[name].hull)}"/>')
    own = lines[POINTSMAN].points
    for cost, quality in zip(own.cost_usd, own.quality, strict=True):
        parts.append(f'<circle class="dot first" cx="{axes.x(cost):.1f}" cy="{axes.y(quality):.1f}" r="1.8"/>')
    parts += _labelled_models(report, axes)
    legend = [(name, style) for name, style in _DRAWN.items() if name in lines]
    for row, (name, style) in enumerate(legend):
        y = HEIGHT - BOTTOM - 14 - 18 * (len(legend) - 1 - row)
        parts.append(f'<line class="line {style}" x1="{WIDTH - 260}" x2="{WIDTH - 232}" y1="{y - 4}" y2="{y - 4}"/>')
        parts.append(f'<text x="{WIDTH - 224}" y="{y}">{escape(name)}</text>')
    return svg_of(parts, "Mean score against mean cost of Pointsman, the main baselines and every single model")


def reliability_svg(report: Report) -> str:
    """Return the reliability diagram: observed against predicted, a dot a bin, the diagonal being perfect."""
    axes = Axes(0, 1, 0, 1, is_log=False)
    ticks = [(value, f"{value:.1f}") for value in np.linspace(0, 1, 6).tolist()]
    parts = [frame(axes, ticks, "predicted chance", "observed mean score")]
    corners = (axes.x(0), axes.y(0), axes.x(1), axes.y(1))
    parts.append('<line class="grid" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>'.format(*corners))
    for one in report.reliability:
        x, y = axes.x(one.predicted), axes.y(one.observed)
        parts.append(f'<circle class="dot first" cx="{x:.1f}" cy="{y:.1f}" r="{3 + 12 * one.share:.1f}"/>')
    return svg_of(parts, "Observed mean score against predicted chance, in equal-mass bins")


def _labelled_models(report: Report, axes: Axes) -> list[str]:
    parts, taken = [], list[tuple[float, float]]()
    for model in sorted(report.models, key=lambda model: -model.quality):
        x, y = axes.x(model.cost_usd), axes.y(model.quality)
        height = y + 4
        while any(abs(height - other) < 12 and abs(x - place) < 160 for place, other in taken):
            height += 3
        taken.append((x, height))
        near_edge = x > WIDTH - 200
        anchor, offset = ("end", -8) if near_edge else ("start", 8)
        parts.append(f'<circle class="model" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        parts.append(
            f'<text class="small" text-anchor="{anchor}" x="{x + offset:.1f}" y="{height:.1f}">'
            f"{escape(model.name)}</text>"
        )
    return parts


def _dollar_ticks(axes: Axes) -> list[tuple[float, str]]:
    decades = range(math.floor(math.log10(axes.left)), math.ceil(math.log10(axes.right)) + 1)
    values = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
    return [(value, f"${value * 1000:g}") for value in values if axes.left <= value <= axes.right]


def frame(axes: Axes, ticks: Sequence[tuple[float, str]], x_title: str, y_title: str) -> str:
    """Return the x axis with its ticks, level lines with theirs, and both titles."""
    bottom = HEIGHT - BOTTOM
    parts = [f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>']
    for value, label in ticks:
        parts.append(f'<text text-anchor="middle" x="{axes.x(value):.1f}" y="{bottom + 18}">{label}</text>')
    for value in np.linspace(axes.low, axes.high, 7)[1:-1].tolist() if axes.is_log else np.linspace(0, 1, 6).tolist():
        y = axes.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text text-anchor="end" x="{LEFT - 8}" y="{y + 4:.1f}">{value:.2f}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text text-anchor="middle" x="{middle:.0f}" y="{HEIGHT - 10}">{escape(x_title)}</text>')
    parts.append(
        f'<text text-anchor="middle" transform="translate(16 {(TOP + bottom) / 2:.0f}) rotate(-90)">'
        f"{escape(y_title)}</text>"
    )
    return "".join(parts)


def svg_of(parts: Sequence[str], title: str) -> str:
    """Return the parts as one picture; its colours come from `STYLE`, in the page or in the file."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )


def standing_alone(svg: str) -> str:
    """Return a figure as a file of its own: with its style, and the paper behind it."""
    end = svg.index(">") + 1
    return f'{svg[:end]}<style>{STYLE}</style><rect width="100%" height="100%" style="fill:var(--paper)"/>{svg[end:]}\n'
