import json
import re

import msgspec
import numpy as np
import pytest

from pointsman.cli import main
from pointsman.errors import InvalidFile, InvalidOutcomes
from pointsman.prediction import Predictor, measured_table, read_bundle
from pointsman.prediction.newcomers import Facts, fit_newcomer, level_of
from pointsman_training.cli import models as verb
from pointsman_training.outcomes import read_outcomes
from pointsman_training.rows import write_rows
from pointsman_training.scored import read_scored, read_scored_texts

LINES = [
    {"text": "Add 3 and 5.", "score": 1, "output_tokens": 12},
    {"text": "Prove it, please.", "score": 0.25},
    {"text": "Say the plural of apple.", "score": 1.0, "output_tokens": None},
]


@pytest.fixture(scope="module")
def small(trained):
    return read_bundle(trained)


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "scored.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return path


def fit(*words):
    return main(["models", "fit", *map(str, words)])


def test_lines_of_text_are_read_by_the_bundles_own_graph(small, lines):
    scored = read_scored(small, "new", [lines])
    for depth in ("fast", "deep"):
        reading = Predictor(small).read([line["text"] for line in LINES], depth)
        np.testing.assert_array_equal(scored.demand[depth], reading.demand)
    assert scored.scores.tolist() == [1, 0.25, 1]
    np.testing.assert_array_equal(scored.output_tokens, [12, np.nan, np.nan])
    assert scored.sources == ("scored",)


def test_csv_says_the_same_as_json_lines(small, lines, tmp_path):
    table = tmp_path / "scored.csv"
    table.write_text(
        'text,score,output_tokens\nAdd 3 and 5.,1,12\n"Prove it, please.",0.25,\nSay the plural of apple.,1.0,\n'
    )
    one, other = read_scored(small, "new", [lines]), read_scored(small, "new", [table])
    for name in ("length", "scores", "output_tokens"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_lines_that_name_another_model_are_left_out(tmp_path):
    path = tmp_path / "both.jsonl"
    path.write_text('{"text": "a", "score": 1, "model": "new"}\n{"text": "b", "score": 0, "model": "old"}\n')
    assert [line.text for line in read_scored_texts(path, "new")] == ["a"]
    assert [line.text for line in read_scored_texts(path, "old")] == ["b"]
    with pytest.raises(InvalidFile, match="no line of the model 'third'"):
        read_scored_texts(path, "third")


def test_outcome_tables_give_the_rows_of_the_model(small, world, outcomes):
    scored = read_scored(small, "gpt-4o", [world.outcomes])
    column = outcomes.columns.index(("school", "gpt-4o"))
    known = np.isfinite(outcomes.scores[:, column])
    np.testing.assert_array_equal(scored.scores, outcomes.scores[known, column])
    np.testing.assert_array_equal(scored.output_tokens, outcomes.output_tokens[known, column])
    assert scored.sources == ("school",)


def test_feature_rows_give_what_their_texts_give(small, world, outcomes, encoder, tmp_path):
    write_rows(outcomes, encoder, tmp_path / "rows")
    texts, rows = (read_scored(small, "gpt-4o-mini", [path]) for path in (world.outcomes, tmp_path / "rows"))
    order = np.argsort(read_outcomes([world.outcomes]).prompt_ids)
    assert len(texts.scores) == len(rows.scores) <= len(order)
    assert np.sort(texts.scores).tolist() == np.sort(rows.scores).tolist()
    assert texts.demand["fast"].mean(axis=0) == pytest.approx(rows.demand["fast"].mean(axis=0), abs=0.1)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", '{"text": "a"}\n', "a.jsonl, line 1 lacks score"),
        ("a.jsonl", '{"text": "a", "score": 1}\n{"text": " ", "score": 1}\n', "line 2: text is empty"),
        ("a.jsonl", '{"text": "a", "score": 1.5}\n', "score is 1.5; expected a number from 0"),
        ("a.jsonl", '{"text": "a", "score": true}\n', "score is True; expected a number"),
        ("a.jsonl", '{"text": "a", "score": [1]}\n', "score is [1]; expected a number"),
        ("a.jsonl", '{"text": "a", "score": 1, "output_tokens": -3}\n', "output_tokens is -3; expected a count"),
        ("a.jsonl", "[1]\n", "expected an object such as"),
        ("a.csv", "text,points\na,1\n", "a.csv lacks the column score"),
        ("a.csv", "text,score\na,good\n", "a.csv, line 2: score is 'good'; expected a number"),
        ("a.csv", "text,score\na,nan\n", "score is nan; expected a number from 0"),
    ],
)
def test_a_line_that_cannot_be_used_is_refused_with_its_place(tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidFile, match=re.escape(words)):
        read_scored_texts(tmp_path / name, "new")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InvalidFile, match="doesn't exist"):
        read_scored_texts(tmp_path / "none.csv", "new")


def test_fit_writes_the_bundle_with_one_more_ability_and_nothing_else_changed(trained, small, lines, tmp_path, capsys):
    assert fit("new", "--bundle", trained, "--outcomes", lines, "--price", "1,3", "--output", tmp_path / "b") == 0
    written = read_bundle(tmp_path / "b")
    facts = Facts(usd_per_mtok=2.0)
    expected = fit_newcomer(small.manifest, "new", facts, read_scored(small, "new", [lines]))
    assert written.manifest.abilities == {**small.manifest.abilities, "new": expected.ability}
    same = {"abilities": {}, "files": {}}
    assert msgspec.structs.replace(written.manifest, **same) == msgspec.structs.replace(small.manifest, **same)
    assert (written.graph, written.tokenizer_json) == (small.graph, small.tokenizer_json)
    assert measured_table(written.manifest, ["new"]).is_measured == (True,)
    told = capsys.readouterr().out
    assert f"before  {expected.before.words}  from price $2 per million tokens\n" in told
    assert f"after   {expected.after.words}  from 3 outcomes as well\n" in told
    assert re.search(r"fitted in \d+\.\d ms\n", told)


def test_a_bundle_may_be_replaced_by_itself_and_its_card_keeps_one_line_a_model(trained, lines, tmp_path, capsys):
    place = tmp_path / "b"
    assert fit("new", "--bundle", trained, "--like", "gpt-4o", "--output", place) == 0
    assert fit("other", "--bundle", place, "--like", "gpt-4o-mini", "--output", place) == 0
    assert fit("new", "--bundle", place, "--outcomes", lines, "--output", place) == 2
    assert "has an ability of 'new' already, from 0 outcomes; --replace fits it anew" in capsys.readouterr().err
    assert fit("new", "--bundle", place, "--outcomes", lines, "--replace", "--output", place) == 0
    bundle = read_bundle(place)
    added = (place / "card.md").read_text().partition("## Models added after training\n\n")[2].splitlines()
    levels = [level_of(bundle.manifest, bundle.manifest.abilities[name]) for name in ("other", "new")]
    assert [line.partition(":")[0] for line in added] == ["- other", "- new"]
    assert added[0] == f"- other: {levels[0].words} on a typical task, from 0 outcomes."
    assert bundle.manifest.abilities["new"].outcomes == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["gpt-4o", "--like", "gpt-4o-mini"], "has an ability of 'gpt-4o' already"),
        (["new"], "Nothing is known of 'new'; give --outcomes"),
        ([" ", "--price", "1,2"], "MODEL is empty"),
        (["new", "--like", "gpt-9"], "--like names 'gpt-9', which the bundle has no ability of"),
        (["new", "--benchmark", "exam=0.5"], "The bundle knows nothing of the benchmark 'exam'"),
        (["new", "--benchmark", "exam"], "expected NAME=SCORE"),
        (["new", "--benchmark", "exam=high"], "expected NAME=SCORE"),
        (["new", "--price", "1"], "expected IN,OUT in USD per million tokens"),
        (["new", "--price=-1,2"], "has a price below 0"),
        (["new", "--outcomes", "/nowhere/a.jsonl"], "/nowhere/a.jsonl can't be read"),
    ],
)
def test_a_fit_that_cannot_be_made_is_refused_and_nothing_is_written(trained, tmp_path, capsys, words, told):
    assert fit(*words, "--bundle", trained, "--output", tmp_path / "b") == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_outcomes_without_the_model_are_refused_with_the_models_that_they_have(small, world):
    with pytest.raises(InvalidOutcomes, match=r"is of 'gpt-9'; the outcomes are of claude-3-5-sonnet-20240620, "):
        read_scored(small, "gpt-9", [world.outcomes])


def test_prices_come_from_the_built_in_fleets_where_none_is_given():
    assert verb._known_price("gpt-4o") == pytest.approx(6.25)
    assert verb._known_price("a model that nobody sells") is None
