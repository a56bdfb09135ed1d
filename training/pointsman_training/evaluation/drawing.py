"""Two figures as SVG text without any outside file: cost against quality, and reliability."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np

from pointsman_training.evaluation.report import Points, Report
from pointsman_training.evaluation.trial import POINTSMAN

_WIDTH, _HEIGHT = 760, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 52
_DRAWN: Final = {
    POINTSMAN: "first",
    "hull of singles": "second",
    "task-type table, predicted type": "third",
    "kNN": "fourth",
}


@dataclass(frozen=True)
class _Axes:
    """Maps cost (logarithmic) or a share, and quality, to pixels."""

    left: float
    right: float
    low: float
    high: float
    is_log: bool

    def x(self, value: float) -> float:
        at, left, right = (math.log(v) if self.is_log else v for v in (max(value, self.left), self.left, self.right))
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (at - left) / (right - left)

    def y(self, value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (self.high - value) / (self.high - self.low)

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
    axes = _Axes(min(costs) / 1.15, max(costs) * 1.5, min(qualities) - pad, max(qualities) + pad, is_log=True)
    parts = [_frame(axes, _dollar_ticks(axes), "mean cost per 1,000 tasks (USD, logarithmic)", "mean score")]
    for name, style in _DRAWN.items():
        if name in lines:
            parts.append(f'<polyline class="line {style}" points="{axes.path(lines[name].hull)}"/>')
    own = lines[POINTSMAN].points
    for cost, quality in zip(own.cost_usd, own.quality, strict=True):
        parts.append(f'<circle class="dot first" cx="{axes.x(cost):.1f}" cy="{axes.y(quality):.1f}" r="1.8"/>')
    parts += _labelled_models(report, axes)
    legend = [(name, style) for name, style in _DRAWN.items() if name in lines]
    for row, (name, style) in enumerate(legend):
        y = _HEIGHT - _BOTTOM - 14 - 18 * (len(legend) - 1 - row)
        parts.append(f'<line class="line {style}" x1="{_WIDTH - 260}" x2="{_WIDTH - 232}" y1="{y - 4}" y2="{y - 4}"/>')
        parts.append(f'<text x="{_WIDTH - 224}" y="{y}">{escape(name)}</text>')
    return _svg(parts, "Mean score against mean cost of Pointsman, the main baselines and every single model")


def reliability_svg(report: Report) -> str:
    """Return the reliability diagram: observed against predicted, a dot a bin, the diagonal being perfect."""
    axes = _Axes(0, 1, 0, 1, is_log=False)
    ticks = [(value, f"{value:.1f}") for value in np.linspace(0, 1, 6).tolist()]
    parts = [_frame(axes, ticks, "predicted chance", "observed mean score")]
    corners = (axes.x(0), axes.y(0), axes.x(1), axes.y(1))
    parts.append('<line class="grid" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>'.format(*corners))
    for one in report.reliability:
        x, y = axes.x(one.predicted), axes.y(one.observed)
        parts.append(f'<circle class="dot first" cx="{x:.1f}" cy="{y:.1f}" r="{3 + 12 * one.share:.1f}"/>')
    return _svg(parts, "Observed mean score against predicted chance, in equal-mass bins")


def _labelled_models(report: Report, axes: _Axes) -> list[str]:
    parts, taken = [], list[tuple[float, float]]()
    for model in sorted(report.models, key=lambda model: -model.quality):
        x, y = axes.x(model.cost_usd), axes.y(model.quality)
        height = y + 4
        while any(abs(height - other) < 12 and abs(x - place) < 160 for place, other in taken):
            height += 3
        taken.append((x, height))
        near_edge = x > _WIDTH - 200
        anchor, offset = ("end", -8) if near_edge else ("start", 8)
        parts.append(f'<circle class="model" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        parts.append(
            f'<text class="small" text-anchor="{anchor}" x="{x + offset:.1f}" y="{height:.1f}">'
            f"{escape(model.name)}</text>"
        )
    return parts


def _dollar_ticks(axes: _Axes) -> list[tuple[float, str]]:
    decades = range(math.floor(math.log10(axes.left)), math.ceil(math.log10(axes.right)) + 1)
    values = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
    return [(value, f"${value * 1000:g}") for value in values if axes.left <= value <= axes.right]


def _frame(axes: _Axes, ticks: Sequence[tuple[float, str]], x_title: str, y_title: str) -> str:
    bottom = _HEIGHT - _BOTTOM
    parts = [f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}"/>']
    for value, label in ticks:
        parts.append(f'<text text-anchor="middle" x="{axes.x(value):.1f}" y="{bottom + 18}">{label}</text>')
    for value in np.linspace(axes.low, axes.high, 7)[1:-1].tolist() if axes.is_log else np.linspace(0, 1, 6).tolist():
        y = axes.y(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text text-anchor="end" x="{_LEFT - 8}" y="{y + 4:.1f}">{value:.2f}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text text-anchor="middle" x="{middle:.0f}" y="{_HEIGHT - 10}">{escape(x_title)}</text>')
    parts.append(
        f'<text text-anchor="middle" transform="translate(16 {(_TOP + bottom) / 2:.0f}) rotate(-90)">'
        f"{escape(y_title)}</text>"
    )
    return "".join(parts)


def _svg(parts: Sequence[str], title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )
