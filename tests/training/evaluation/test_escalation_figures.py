import numpy as np
import pytest

from pointsman.policy import Candidates
from pointsman_training.evaluation.escalation import EscalationFigures, escalation_figures, escalation_table

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


def test_the_table_has_a_row_for_each_threshold(figures):
    table = escalation_table(figures)
    assert [row[0] for row in table.rows] == ["off", "0.7", "0.45"]
    assert table.rows[1] == ("0.7", "33.3%", "0.6667", "0.1673", "0.6667")
    assert {len(row) for row in table.rows} == {len(table.heads)}
