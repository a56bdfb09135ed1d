import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pointsman.errors import InvalidOutcomes
from pointsman_training.outcomes import read_outcomes
from pointsman_training.rows import write_rows
from pointsman_training.tables import TEXT_COLUMNS


def refused(*paths) -> str:
    with pytest.raises(InvalidOutcomes) as caught:
        read_outcomes(paths)
    return caught.value.message


@pytest.fixture
def altered(tmp_path, rows, write_table):
    """Return a function that writes the small world's first rows with one field of one row changed."""

    def write(row=3, name="bad.parquet", **changes):
        return write_table(tmp_path / name, [r | changes if i == row else r for i, r in enumerate(rows[:30])])

    return write


@pytest.fixture(scope="session")
def feature_files(outcomes, encoder, tmp_path_factory):
    return write_rows(outcomes, encoder, tmp_path_factory.mktemp("rows"))


def test_the_matrix_holds_every_outcome_in_its_place_and_nan_elsewhere(outcomes, rows):
    expected = {(row["prompt_id"], (row["source"], row["model"])): row for row in rows}
    assert outcomes.columns == tuple(sorted({column for _, column in expected}))
    assert len(outcomes.prompt_ids) == len(set(outcomes.prompt_ids)) == 150
    for i, prompt in enumerate(outcomes.prompt_ids):
        for j, column in enumerate(outcomes.columns):
            row = expected.get((prompt, column))
            score, tokens = outcomes.scores[i, j], outcomes.output_tokens[i, j]
            assert np.isnan(score) and np.isnan(tokens) if row is None else score == row["score"]
            assert row is None or tokens == row["output_tokens"]


def test_every_prompt_keeps_its_own_fields(outcomes, rows):
    first = {row["prompt_id"]: row for row in reversed(rows)}
    for i, prompt in enumerate(outcomes.prompt_ids):
        row = first[prompt]
        assert (outcomes.texts[i], outcomes.sources[i], outcomes.groups[i], outcomes.splits[i]) == (
            row["text"], row["source"], row["group"], row["split"],
        )  # fmt: skip
        assert outcomes.input_tokens[i] == np.float32(row["input_tokens"])


def test_the_order_of_rows_does_not_change_what_is_read(tmp_path, rows, write_table):
    there, back = (
        read_outcomes([write_table(tmp_path / f"{name}.parquet", table)])
        for name, table in (("there", rows), ("back", rows[::-1]))
    )
    places = [back.prompt_ids.index(prompt) for prompt in there.prompt_ids]
    assert there.columns == back.columns
    np.testing.assert_array_equal(there.scores, back.scores[places])


def test_an_answer_of_unknown_length_is_welcome(altered):
    outcomes = read_outcomes([altered(output_tokens=None)])
    assert np.isnan(outcomes.output_tokens[np.isfinite(outcomes.scores)]).sum() == 1


@pytest.mark.parametrize("column", TEXT_COLUMNS)
def test_a_missing_column_is_named(tmp_path, rows, write_table, column):
    path = write_table(tmp_path / "bad.parquet", [{k: v for k, v in row.items() if k != column} for row in rows[:9]])
    assert refused(path).startswith(f"{path} lacks the column {column};")


@pytest.mark.parametrize(("score", "shown"), [(7.0, "7"), (-0.5, "-0.5"), (float("nan"), "nan"), (None, "nan")])
def test_a_score_outside_0_to_1_is_refused_with_its_row(altered, rows, score, shown):
    message = refused(path := altered(score=score))
    prompt, model = rows[3]["prompt_id"], rows[3]["model"]
    assert message == (
        f"{path}, row 3: score is {shown} for prompt {prompt!r} and model {model!r}; expected a number from 0 to 1."
    )


def test_two_outcomes_of_a_model_on_a_prompt_are_refused(tmp_path, rows, write_table):
    path = write_table(tmp_path / "bad.parquet", [*rows[:9], rows[4]])
    assert refused(path) == (
        f"{path}: prompt {rows[4]['prompt_id']!r} has several outcomes of model {rows[4]['model']!r}; keep one of them."
    )


def test_an_unknown_split_is_refused(altered, rows):
    first = next(i for i in range(30) if i == 0 or rows[i]["prompt_id"] != rows[i - 1]["prompt_id"])
    assert "split is 'test'; expected one of train, dev." in refused(altered(row=first, split="test"))


def test_a_prompt_id_in_two_files_is_refused(altered, rows):
    message = refused(altered(name="a.parquet"), altered(name="b.parquet"))
    assert (
        message == f"prompt_id {rows[0]['prompt_id']!r} occurs in several files; ids must be unique within all files."
    )


@pytest.mark.parametrize("column", ["input_tokens", "output_tokens"])
def test_a_negative_count_of_tokens_is_refused_with_its_row(altered, column):
    assert refused(path := altered(**{column: -2.0})) == f"{path}, row 3: {column} is -2; expected a count of tokens."


@pytest.mark.parametrize("column", ["text", "prompt_id", "model", "source", "group"])
def test_an_empty_entry_is_refused(altered, column):
    assert refused(path := altered(**{column: None})) == (
        f"{path}: column {column} has 1 empty entries; every row needs one."
    )


@pytest.mark.parametrize(("column", "value", "expected"), [("text", b"\xff", "text"), ("score", "good", "numbers")])
def test_a_column_of_another_type_is_refused(tmp_path, rows, write_table, column, value, expected):
    path = write_table(tmp_path / "bad.parquet", [row | {column: value} for row in rows[:9]])
    assert f"column {column} has type" in (message := refused(path))
    assert message.endswith(f"expected {expected}.")


def test_a_file_that_is_not_parquet_is_refused(tmp_path):
    path = tmp_path / "bad.parquet"
    path.write_text("prompt_id,model,score\n")
    assert refused(path).startswith(f"{path} can't be read as parquet: ")


def test_a_place_without_parquet_files_is_refused(tmp_path):
    assert refused(tmp_path) == f"{tmp_path} holds no parquet file."
    assert refused(tmp_path / "nowhere").startswith(f"{tmp_path / 'nowhere'} doesn't exist;")
    assert refused().startswith("No outcomes were named;")


def test_texts_and_feature_rows_do_not_mix(altered, feature_files):
    assert refused(altered(), feature_files[0]).startswith("Some files hold texts and some feature rows")


def test_feature_rows_read_back_what_the_texts_give_within_half_a_step(outcomes, encoder, feature_files):
    back = read_outcomes(feature_files)
    assert back.texts is None
    assert back.encoder == (encoder.spec.model, encoder.spec.layer)
    places = [outcomes.prompt_ids.index(prompt) for prompt in back.prompt_ids]
    np.testing.assert_array_equal(back.scores, outcomes.scores[places])
    np.testing.assert_array_equal(back.output_tokens, outcomes.output_tokens[places])
    assert (back.groups == outcomes.groups[places]).all() and (back.splits == outcomes.splits[places]).all()
    exact = encoder.features([outcomes.texts[place] for place in places])
    metadata = pq.read_schema(feature_files[0]).metadata
    for depth in ("fast", "deep"):
        step = float(metadata[f"{depth}_step".encode()])
        reach, values = 127 * step, getattr(exact, depth)
        assert np.log2(step) % 1 == 0
        assert (np.abs(values) > reach).mean() <= 0.001
        np.testing.assert_allclose(getattr(back.features, depth), np.clip(values, -reach, reach), rtol=0, atol=step / 2)
    np.testing.assert_allclose(back.features.counts, exact.counts, rtol=2**-11, atol=2**-14)


def test_feature_rows_hold_no_text(feature_files, outcomes):
    for path in feature_files:
        assert "text" not in pq.read_schema(path).names
        assert not any(text.encode()[:24] in path.read_bytes() for text in outcomes.texts)


def test_rows_of_rows_are_refused(feature_files, encoder, tmp_path):
    with pytest.raises(InvalidOutcomes, match="feature rows already"):
        write_rows(read_outcomes(feature_files), encoder, tmp_path)


def test_a_contributor_is_read_where_a_file_names_one_and_is_the_source_elsewhere(tmp_path, rows, write_table, encoder):
    first = {row["prompt_id"] for row in rows[:60]}
    named = [row | {"contributor": f"team {row['prompt_id'][-1]}"} for row in rows if row["prompt_id"] in first]
    one = write_table(tmp_path / "one.parquet", named)
    other = write_table(tmp_path / "other.parquet", [row for row in rows[:150] if row["prompt_id"] not in first])
    both = read_outcomes([one, other])
    expected = {row["prompt_id"]: row["contributor"] for row in named}
    assert both.contributors.tolist() == [
        expected.get(prompt, source) for prompt, source in zip(both.prompt_ids, both.sources, strict=True)
    ]
    assert read_outcomes([other]).contributors is None
    assert (
        read_outcomes([one], contributor="task_type").contributors.tolist() == both.task_types[: len(expected)].tolist()
    )
    rewritten = read_outcomes(write_rows(both, encoder, tmp_path / "rows"))
    assert dict(zip(rewritten.prompt_ids, rewritten.contributors, strict=True)) == dict(
        zip(both.prompt_ids, both.contributors, strict=True)
    )


def test_a_prompt_of_two_contributors_is_refused(tmp_path, rows, write_table):
    named = [row | {"contributor": "b" if number == 1 else "a"} for number, row in enumerate(rows[:5])]
    assert "contributor of prompt" in refused(write_table(tmp_path / "two.parquet", named))


@pytest.fixture
def damaged(feature_files, tmp_path):
    """Return a function that writes a feature table with changed metadata, or another column (a list)."""

    def write(metadata=None, **columns):
        table = pq.read_table(feature_files[0])
        kept = dict(table.schema.metadata) | (metadata or {})
        for name, change in columns.items():
            values = pa.array(change(table.column(name).to_pylist()), table.schema.field(name).type)
            table = table.set_column(table.column_names.index(name), name, values)
        pq.write_table(table.replace_schema_metadata(kept), path := tmp_path / "bad.parquet")
        return path

    return write


def test_rows_of_another_feature_version_are_refused(damaged):
    assert "holds features of version 999; this release computes version" in refused(
        damaged(metadata={b"feature_version": b"999"})
    )


def test_a_feature_table_without_a_column_is_refused(feature_files, tmp_path):
    path = tmp_path / "bad.parquet"
    pq.write_table(pq.read_table(feature_files[0]).drop_columns(["counts"]), path)
    assert refused(path).startswith(f"{path} lacks the column counts;")


def test_embeddings_of_unequal_width_are_refused(damaged):
    assert "entries of column fast have widths [2, 384]" in refused(damaged(fast=lambda v: [b"ab", *v[1:]]))


def test_a_score_of_7_in_a_feature_table_is_refused(damaged):
    assert "score is 7 for prompt" in refused(damaged(scores=lambda v: [[7.0] * len(v[0]), *v[1:]]))


@pytest.mark.parametrize(
    "damage",
    [
        {"metadata": {b"fast_step": b"wide"}},
        {"metadata": {b"layer": b"fourth"}},
        {"scores": lambda v: [v[0][:-1], *v[1:]]},
        {"models": lambda v: [None, *v[1:]]},
        {"fast": lambda v: [None, *v[1:]]},
        {"counts": lambda v: [blob[:11] for blob in v]},
        {"output_tokens": lambda v: [[-7.0] * len(v[0]), *v[1:]]},
    ],
)
def test_a_damaged_feature_table_is_refused(damaged, damage):
    refused(damaged(**damage))
