import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Constraints
from pointsman.policy import able_models, exclusions
from pointsman.types import CAPABILITIES, TASK_TYPES

TESTING = TASK_TYPES.index("testing")
QUALITY = [0.9, 0.7, 0.5]


@pytest.fixture(scope="module")
def table(models_of):
    task_types = np.ones((3, len(TASK_TYPES)), dtype=bool)
    task_types[2, TESTING] = False
    return models_of(
        "large",
        "small",
        "odd",
        task_types=task_types,
        capabilities=[[1, 1, 1], [0, 1, 0], [1, 0, 0]],
        context_tokens=[100_000, 8_000, 50],
        max_output_tokens=[8_192, 4_096, 512],
        latency_ms=[2_000, 300, 900],
    )


CASES = {
    "nothing": (Constraints(), "debugging", 10, ["large", "small", "odd"], {}),
    "type": (Constraints(), "testing", 10, ["large", "small"], {"odd": "doesn't do testing"}),
    "context": (
        Constraints(),
        "debugging",
        8_000,
        ["large"],
        dict.fromkeys(["small", "odd"], "its context is too short for 8,000 input tokens"),
    ),
    "context to spare": (
        Constraints(),
        "debugging",
        7_999,
        ["large", "small"],
        {"odd": "its context is too short for 7,999 input tokens"},
    ),
    "vision": (Constraints(capabilities=("vision",)), "debugging", 10, ["large", "odd"], {"small": "lacks vision"}),
    "vision and tools": (
        Constraints(capabilities=("vision", "tools")),
        "debugging",
        10,
        ["large"],
        {"small": "lacks vision", "odd": "lacks tools"},
    ),
    "models": (
        Constraints(models=("small", "nobody")),
        "debugging",
        10,
        ["small"],
        dict.fromkeys(["large", "odd"], "isn't among constraints.models"),
    ),
    "exclude": (
        Constraints(exclude=("large", "nobody")),
        "debugging",
        10,
        ["small", "odd"],
        {"large": "is excluded by the caller"},
    ),
    "output": (
        Constraints(max_output_tokens=4_096),
        "debugging",
        10,
        ["large", "small"],
        {"odd": "can't write 4,096 tokens"},
    ),
    "latency": (Constraints(max_latency_ms=900), "debugging", 10, ["small", "odd"], {"large": "is slower than 900 ms"}),
    "quality": (
        Constraints(min_quality=0.7),
        "debugging",
        10,
        ["large", "small"],
        {"odd": "its expected quality is below 0.7"},
    ),
    "all at once": (
        Constraints(("tools",), ("large", "small"), ("large",), 400, 0.8, None, 4_097),
        "testing",
        10,
        [],
        {
            "large": "is excluded by the caller",
            "small": "can't write 4,097 tokens",
            "odd": "doesn't do testing",
        },
    ),
}


@pytest.mark.parametrize(("constraints", "kind", "tokens", "able", "reasons"), CASES.values(), ids=CASES)
def test_each_filter_keeps_the_able_and_says_why_of_the_others(table, constraints, kind, tokens, able, reasons):
    index, quality = TASK_TYPES.index(kind), np.array([QUALITY], dtype=np.float64)
    mask = able_models(table, [constraints], np.array([index]), np.array([tokens]), quality)
    assert [model for model, passes in zip(table.models, mask[0], strict=True) if passes] == able
    assert exclusions(table, constraints, index, kind, tokens, quality[0]) == reasons


def test_every_task_is_filtered_by_its_own_constraints(table):
    wanted = [Constraints(), Constraints(models=("small",)), Constraints(), Constraints(exclude=("small",))]
    types = np.array([TASK_TYPES.index("debugging"), TESTING, TESTING, 0])
    able = able_models(table, wanted, types, np.array([10, 10, 9_000, 10]), np.array([QUALITY] * 4))
    assert able.tolist() == [[True, True, True], [False, True, False], [True, False, False], [True, False, True]]


CONSTRAINTS = st.builds(
    Constraints,
    capabilities=st.lists(st.sampled_from(CAPABILITIES), max_size=2),
    models=st.none() | st.lists(st.sampled_from(["large", "small", "odd", "nobody"]), min_size=1, max_size=3),
    exclude=st.lists(st.sampled_from(["large", "small", "odd"]), max_size=2),
    max_latency_ms=st.none() | st.sampled_from([100, 300, 900, 2_000]),
    min_quality=st.none() | st.sampled_from([0, 0.5, 0.6, 1]),
    max_output_tokens=st.none() | st.sampled_from([0, 512, 513, 8_192]),
)


@given(CONSTRAINTS, st.integers(0, len(TASK_TYPES) - 1), st.sampled_from([1, 49, 50, 8_000, 10**6]))
def test_a_model_is_able_exactly_where_no_exclusion_names_it(table, constraints, index, tokens):
    quality = np.array(QUALITY)
    able = able_models(table, [constraints], np.array([index]), np.array([tokens]), quality[np.newaxis])[0]
    excluded = exclusions(table, constraints, index, "x", tokens, quality)
    assert {model for model, passes in zip(table.models, able, strict=True) if not passes} == set(excluded)


@given(CONSTRAINTS, st.integers(0, len(TASK_TYPES) - 1))
def test_constraints_never_make_a_model_able(table, constraints, index):
    columns = (np.array([index]), np.array([10]), np.array([QUALITY]))
    assert (able_models(table, [constraints], *columns) <= able_models(table, [Constraints()], *columns)).all()
