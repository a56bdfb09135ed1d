"""Tables of candidates made by hand."""

import numpy as np
import pytest

from pointsman.policy import Candidates, ModelTable
from pointsman.types import CAPABILITIES, TASK_TYPES


@pytest.fixture(scope="session")
def candidates_of():
    """Candidates of rows of (quality, cost in nano-USD), each able unless said otherwise."""

    def build(quality, cost_nanousd, is_able=None):
        quality = np.atleast_2d(np.array(quality, dtype=np.float32))
        cost = np.atleast_2d(np.array(cost_nanousd, dtype=np.int64))
        able = np.ones(quality.shape, dtype=bool) if is_able is None else np.atleast_2d(np.array(is_able, dtype=bool))
        tokens = np.full(quality.shape, 1_000, dtype=np.float32)
        return Candidates(quality, cost, output_tokens=tokens, tokens=tokens, is_able=able)

    return build


@pytest.fixture(scope="session")
def models_of():
    """A table of models that can do everything, except for the columns given."""

    def build(*names, **columns):
        m = len(names)
        everything = {
            "task_types": np.ones((m, len(TASK_TYPES)), dtype=bool),
            "capabilities": np.ones((m, len(CAPABILITIES)), dtype=bool),
            "context_tokens": np.full(m, 100_000),
            "max_output_tokens": np.full(m, 4_096),
            "latency_ms": np.full(m, 500, dtype=np.float32),
            "availability": np.full(m, 0.99, dtype=np.float32),
        }
        given = {name: np.array(column, dtype=everything[name].dtype) for name, column in columns.items()}
        return ModelTable(models=names, is_measured=(True,) * m, **(everything | given))

    return build
