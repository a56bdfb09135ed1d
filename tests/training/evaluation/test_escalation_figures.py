import numpy as np
import pytest

from pointsman.policy import Candidates
from pointsman_training.evaluation.escalation import escalation_figures
from pointsman_training.evaluation.evaluate import Choice, Inputs, evaluate
from pointsman_training.evaluation.report import EscalationFigures
from pointsman_training.evaluation.tables import tables

CHANCE = np.array([[0.4, 0.8], [0.9, 0.95], [0.3, 0.5]], dtype=np.float32)
COST_NANOUSD = np.array([[1_000, 500_000]] * 3)
SCORES = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
COSTS = COST_NANOUSD / 1e9


@pytest.fixture(scope="module")
def figures():
    nothing = np.zeros((3, 2), dtype=np.int64)
    candidates = Candidates(CHANCE, COST_NANOUSD, nothing, nothing, np.ones((3, 2), dtype=bool))
    return escalation_figures(candidates, SCORES, COSTS, 1e-4, (None, 0.7, 0.45))


def test_each_threshold_is_worked_by_hand(figures):
    off, high, low = figures
    assert off == EscalationFigures(None, 0.0, pytest.approx(1 / 3), pytest.approx(1e-6), pytest.approx(1 / 3))
    assert (high.share, high.quality) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert high.cost_usd == pytest.approx((1e-6 + 1e-6 + 5e-4) / 3)
    assert (low.share, low.quality) == (pytest.approx(2 / 3), pytest.approx(1.0))
    assert high.dial_quality == pytest.approx(2 / 3)


def test_the_report_has_a_row_for_each_threshold(trained, world):
    report = evaluate(Inputs(trained, [world.outcomes], world.prices), Choice())
    table = next(table for table in tables(report) if table.title.startswith("Escalation"))
    assert [row[0] for row in table.rows] == ["off", "0.5", "0.6", "0.7", "0.8", "0.9"]
    assert {len(row) for row in table.rows} == {len(table.heads)}
