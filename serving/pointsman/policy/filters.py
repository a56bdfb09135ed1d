"""Who may do a task at all: type, capabilities, context, latency, quality, lists. Excluded models are never scored."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from pointsman.policy.candidates import Booleans, Floats, Integers, ModelTable
from pointsman.types import ANYTHING, CAPABILITIES, Constraints

Check = tuple[str, Booleans]


def able_models(
    table: ModelTable, constraints: Sequence[Constraints], types: Integers, input_tokens: Integers, quality: Floats
) -> Booleans:
    """Return which model may do which task, bool (n_tasks, n_models).

    `types` (n_tasks,) are indices into `TASK_TYPES`; `quality` (n_tasks, n_models) is read only where a task asks for a
    minimum.
    """
    able: Booleans = table.task_types[:, types].T & (input_tokens[:, np.newaxis] < table.context_tokens)
    for row, wanted in enumerate(constraints):
        if wanted is not ANYTHING:
            for _, passes in _checks(table, wanted, quality[row]):
                able[row] &= passes
    return able


def exclusions(
    table: ModelTable, wanted: Constraints, type_index: int, type_name: str, input_tokens: int, quality: Floats
) -> dict[str, str]:
    """Return why each excluded model may not do one task: model → the first reason, in words."""
    checks: list[Check] = [
        (f"doesn't do {type_name}", table.task_types[:, type_index]),
        (f"its context is too short for {input_tokens:,} input tokens", input_tokens < table.context_tokens),
        *_checks(table, wanted, quality),
    ]
    reasons: dict[str, str] = {}
    for reason, passes in checks:
        for model, passed in zip(table.models, passes, strict=True):
            if not passed:
                reasons.setdefault(model, reason)
    return reasons


def _checks(table: ModelTable, wanted: Constraints, quality: Floats) -> list[Check]:
    checks: list[Check] = []
    for capability in wanted.capabilities:
        checks.append((f"lacks {capability}", table.capabilities[:, _CAPABILITY_INDEX[capability]]))
    if wanted.models is not None:
        checks.append(("isn't among constraints.models", np.isin(table.models, wanted.models)))
    if wanted.exclude:
        checks.append(("is excluded by the caller", ~np.isin(table.models, wanted.exclude)))
    if wanted.max_output_tokens is not None:
        limit = wanted.max_output_tokens
        checks.append((f"can't write {limit:,} tokens", table.max_output_tokens >= limit))
    if wanted.max_latency_ms is not None:
        slow = wanted.max_latency_ms
        checks.append((f"is slower than {slow:g} ms", table.latency_ms <= slow))
    if wanted.min_quality is not None:
        floor = wanted.min_quality
        checks.append((f"its expected quality is below {floor:g}", quality >= floor))
    return checks


_CAPABILITY_INDEX: Final = {name: index for index, name in enumerate(CAPABILITIES)}
