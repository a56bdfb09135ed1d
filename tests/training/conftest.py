"""A small world to train in: invented prompts of known demand, six models of known strength, two sources."""

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from threadpoolctl import threadpool_limits

from pointsman.prediction import read_bundle
from pointsman.types import COMPLEXITIES
from pointsman_training.crossfit import cross_fit
from pointsman_training.encode import Encoder, encoder_of_bundle
from pointsman_training.examples import Dataset, Weighting, assemble
from pointsman_training.heads import Recipe, fit_abilities
from pointsman_training.learned import Learned, calibrate
from pointsman_training.network import Training
from pointsman_training.outcomes import Outcomes, read_outcomes
from pointsman_training.pipeline import Inputs, Run, train
from pointsman_training.prices import read_prices
from pointsman_training.split import grouped_folds
from pointsman_training.tasks import LabelledTasks, read_tasks

STRENGTH = {
    "llama-3.1-8b-instruct": -1.5,
    "claude-3-haiku": -0.7,
    "gpt-4o-mini": 0.0,
    "llama-3.1-70b-instruct": 0.4,
    "gpt-4o": 1.4,
    "claude-3-5-sonnet-20240620": 1.6,
}
PRICES = {
    "llama-3.1-8b-instruct": (0.22, 0.22),
    "claude-3-haiku": (0.25, 1.25),
    "gpt-4o-mini": (0.15, 0.6),
    "llama-3.1-70b-instruct": (0.88, 0.88),
    "gpt-4o": (2.5, 10.0),
    "claude-3-5-sonnet-20240620": (3.0, 15.0),
}
SUBJECTS = ("apples", "trains", "bank notes", "a chess clock", "rainfall", "two brothers", "a bakery", "river barges")
FRAMES = (
    (-2.0, "Say the plural of the word for {}."),
    (-1.2, "Add 3 and 5 and name {} in the answer."),
    (-0.2, "A shop sells {} in packs of seven; how many packs make 91, and what is left over?"),
    (0.6, "Given a table of {} by month, write the query that finds the second largest change."),
    (1.6, "Prove that every integer sum over {} with \\sum_{{k=1}}^{{n}} k^3 is a perfect square."),
    (2.4, "Find a lock-free order of updates to {} that stays linearizable under two crashes, and prove it."),
)


def pytest_collection_modifyitems(items):
    """Let skl2onnx hand booleans to protobuf, which deprecates that (skl2onnx 1.20 with protobuf 6)."""
    booleans = pytest.mark.filterwarnings("ignore:Field onnx.AttributeProto.ints.*got a boolean:DeprecationWarning")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(booleans)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Small tables gain nothing from threads, and waiting threads slow down whatever runs beside the tests."""
    with threadpool_limits(limits=1):
        yield


@dataclass(frozen=True)
class World:
    """Paths of the small world's files, and what is true in it."""

    outcomes: Path
    tasks: Path
    prices: Path
    demand: dict[str, float]
    strength: dict[str, float]


@pytest.fixture(scope="session")
def rows() -> list[dict[str, object]]:
    """The outcomes of the small world as rows of a text table; three prompts in a row are one group."""
    rng = np.random.default_rng(7)
    numbered = [(demand, frame.format(subject)) for subject, (demand, frame) in product(SUBJECTS, FRAMES)]
    table = []
    for number in range(150):
        demand, text = numbered[number % len(numbered)]
        source = "office" if number >= 110 else "school"
        for model, strength in STRENGTH.items():
            if rng.random() < 0.06 or (source == "office" and model == "gpt-4o"):
                continue
            is_right = rng.random() < 1 / (1 + np.exp(-2 * (strength - demand)))
            table.append({
                "prompt_id": f"{source}-{number:03d}",
                "source": source,
                "task_type": "math/grade-school" if number % 2 else "code",
                "split": "dev" if number // 3 % 7 == 6 else "train",
                "group": f"g{number // 3}",
                "text": f"{text} Case {number}.",
                "model": model,
                "score": float(is_right),
                "input_tokens": len(text) / 4,
                "output_tokens": float(np.round(np.exp(4 + 0.4 * demand + 0.2 * strength + 0.2 * rng.normal()))),
            })  # fmt: skip
    return table


@pytest.fixture(scope="session")
def write_table():
    """Return a function that writes rows as a parquet file and returns its path."""

    def write(path: Path, rows: list[dict[str, object]]) -> Path:
        pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd")
        return path

    return write


@pytest.fixture(scope="session")
def world(tmp_path_factory, rows, write_table) -> World:
    root = tmp_path_factory.mktemp("world")
    outcomes = root / "outcomes"
    outcomes.mkdir()
    for source in ("school", "office"):
        write_table(outcomes / f"{source}.parquet", [row for row in rows if row["source"] == source])
    tasks = root / "tasks.jsonl"
    lines = []
    for level, (label, frames) in enumerate(zip(COMPLEXITIES, (FRAMES[:2], FRAMES[2:4], FRAMES[4:]), strict=True)):
        for number in range(30):
            text = frames[number % 2][1].format(f"{SUBJECTS[number % 8]} and task {number}")
            kind = ("reasoning", "code_generation", "translation")[(number + level) % 3]
            lines.append({"id": f"{label}-{number}", "text": text, "type": kind, "complexity": label})
    tasks.write_text("".join(json.dumps(line) + "\n" for line in lines))
    prices = root / "prices.csv"
    prices.write_text(
        "model,input_usd_per_mtok,output_usd_per_mtok\n"
        + "".join(f"{model},{per_input},{per_output}\n" for model, (per_input, per_output) in PRICES.items())
    )
    demand = {
        f"{'office' if number >= 110 else 'school'}-{number:03d}": FRAMES[number % len(FRAMES)][0]
        for number in range(150)
    }
    return World(outcomes, tasks, prices, demand, STRENGTH)


@pytest.fixture(scope="session")
def quick_run() -> Run:
    """How the small world is trained: everything small, one process."""
    network = Training(hidden=16, epochs=1, batch=32)
    recipe = Recipe(demands=4, network=network, task_network=network, tree_components=16, trees=5, tree_leaves=7)
    return Run(seed=3, folds=2, jobs=1, recipe=recipe)


@pytest.fixture(scope="session")
def outcomes(world) -> Outcomes:
    return read_outcomes([world.outcomes])


@pytest.fixture(scope="session")
def encoder(bundle_dir) -> Encoder:
    """The encoder inside the bundle that comes along."""
    return encoder_of_bundle(read_bundle(bundle_dir))


@pytest.fixture(scope="session")
def inputs(world) -> Inputs:
    return Inputs([world.outcomes], world.prices, [world.tasks])


@pytest.fixture(scope="session")
def trained(inputs, quick_run, tmp_path_factory) -> Path:
    """A bundle trained on the small world, once per session."""
    return train(inputs, tmp_path_factory.mktemp("trained") / "bundle", quick_run, lambda line: None)


@pytest.fixture(scope="session")
def tasks(world) -> LabelledTasks:
    return read_tasks([world.tasks])


@pytest.fixture(scope="session")
def dataset(outcomes, tasks, encoder) -> Dataset:
    return assemble(
        outcomes, encoder.features(outcomes.texts), tasks, encoder.features(tasks.texts), weighting=Weighting()
    )


@pytest.fixture(scope="session")
def learned(dataset, quick_run, world) -> Learned:
    """Everything learned from the small world, before export."""
    rows = np.flatnonzero(dataset.is_train)
    examples, recipe = dataset.examples.take(rows), quick_run.recipe
    rng = np.random.default_rng(quick_run.seed)
    abilities, lengths = fit_abilities(dataset.features.deep[rows], examples, dataset.columns, recipe, rng)
    folds = grouped_folds([dataset.groups[row] for row in rows], quick_run.folds, quick_run.seed)
    fitted = cross_fit(dataset, rows, folds, abilities, lengths, recipe, seed=quick_run.seed, jobs=1)
    return calibrate(dataset, fitted, abilities, lengths, read_prices(world.prices))
