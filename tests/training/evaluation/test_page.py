import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import InvalidFile
from pointsman_training.evaluation.bootstrap import Interval
from pointsman_training.evaluation.drawing import standing_alone
from pointsman_training.evaluation.page import part, with_part
from pointsman_training.evaluation.plots import intervals_svg, lines_svg
from pointsman_training.evaluation.tables import Table

PAGE = """# Quality

Prose before.

<!-- figures: seeds -->
old
<!-- end -->

Prose after.

<!-- figures: pair -->
older
<!-- end -->
"""


def test_a_part_replaces_the_former_one_and_prose_stays():
    assert with_part(PAGE, "seeds", "Noise", "new") == PAGE.replace("old\n", "new\n", 1)
    assert with_part(PAGE, "pair", "Pair", "new") == PAGE.replace("older", "new")


def test_a_part_without_place_gets_a_heading_at_the_end():
    grown = with_part(PAGE, "cold-start", "Models without outcomes", "new")
    assert grown == PAGE + "\n## Models without outcomes\n\n<!-- figures: cold-start -->\nnew\n<!-- end -->\n"


@given(st.text(alphabet="ab \\|$1<>\n", max_size=30))
def test_writing_a_part_twice_is_writing_it_once(text):
    once = with_part(PAGE, "seeds", "Noise", text)
    assert with_part(once, "seeds", "Noise", text) == once
    assert with_part(once, "seeds", "Noise", "old") == PAGE


@pytest.mark.parametrize(
    "page", [PAGE + PAGE, PAGE.replace("<!-- end -->\n\nProse", "Prose"), "<!-- figures: seeds -->\nno end"]
)
def test_a_page_with_unclear_markers_is_refused(page):
    with pytest.raises(InvalidFile, match="<!-- figures: seeds --> once"):
        with_part(page, "seeds", "Noise", "new")


def test_a_part_is_headline_figures_tables_and_notes():
    table = Table("Figures", ("a|b", "n"), (("x", "1"),))
    assert part("What.", [table], ["figures/curve.svg"], ["Mind this."]) == (
        "What.\n\n![curve](figures/curve.svg)\n\nFigures:\n\n| a\\|b | n |\n| --- | ---: |\n| x | 1 |\n\n- Mind this."
    )


def test_figures_stand_alone_as_valid_svg_and_leave_out_what_is_undefined():
    lines = lines_svg({"one & two": [(100, 0.5), (1000, 0.4)], "none": [(100, float("nan"))]}, "labels", "log-loss")
    dots = intervals_svg({"a": Interval(0.3, 0.2, 0.4), "b": Interval(float("nan"), 0, 1)}, "correlation")
    for figure, circles in ((lines, 2), (dots, 1)):
        root = ET.fromstring(standing_alone(figure))
        assert len(root.findall("{http://www.w3.org/2000/svg}circle")) == circles
        assert root.find("{http://www.w3.org/2000/svg}style").text
