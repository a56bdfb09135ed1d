"""The table that every policy works on: n tasks by m models, as arrays."""

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


class ModelTable(msgspec.Struct, frozen=True):
    """What is known of m models whatever the task.

    `task_types` (m, n_types) and `capabilities` (m, n_capabilities) say what each can do; `context_tokens`,
    `max_output_tokens`, `latency_ms` and `availability` are (m,).
    """

    models: tuple[str, ...]
    is_measured: tuple[bool, ...]
    task_types: Booleans
    capabilities: Booleans
    context_tokens: Integers
    max_output_tokens: Integers
    latency_ms: Floats
    availability: Floats


class Candidates(msgspec.Struct, frozen=True):
    """What each model would do with each task: all arrays (n_tasks, n_models).

    `quality` is P(done well); `cost_nanousd` the expected cost; `output_tokens` are rounded up; `tokens` counts input
    and output; `is_able` is False where a filter excluded the model.
    """

    quality: Floats
    cost_nanousd: Integers
    output_tokens: Integers
    tokens: Integers
    is_able: Booleans
