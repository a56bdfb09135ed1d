"""What is logged in place of a text is what the graph said about it."""

import numpy as np
import pytest
from ledgers import NOON

from pointsman.budget.books import microseconds
from pointsman.events import Event
from pointsman.events.features import features_of, reading_of
from pointsman.prediction import read_bundle
from pointsman.prediction.predictor import Predictor
from pointsman.store import open_log

TEXTS = ["What is the capital of Peru?", "Find the race condition in this queue", "Translate this into French"]


@pytest.fixture(scope="module")
def bundle(bundle_dir):
    return read_bundle(bundle_dir)


def test_logged_features_are_the_reading_to_three_digits(bundle, tmp_path):
    reading = Predictor(bundle).read(TEXTS, "fast")
    with open_log(f"sqlite:///{tmp_path}/log.db") as log:
        for row, text in enumerate(TEXTS):
            log.add(Event(str(row), microseconds(NOON), "chat", features=features_of(reading, row), text=text))
        log.flush()
        lines = log.events()
    assert [line.event.text for line in lines] == [None] * 3
    blocks = reading_of([line.event.features for line in lines], bundle.manifest.layout)
    for found, name in zip(blocks, ("demand", "length", "type", "complexity", "novelty"), strict=True):
        expected = getattr(reading, name).reshape(3, -1)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert (tmp_path / "log.db").read_bytes().find(b"capital of Peru") == -1


def test_features_of_another_layout_are_refused(bundle):
    with pytest.raises(ValueError, match="the features have 2 numbers; the bundle's layout has 53"):
        reading_of([(1.0, 2.0)], bundle.manifest.layout)
