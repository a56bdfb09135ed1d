import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pointsman.prediction import encoder as encoder_module
from pointsman.prediction.encoder import CHARACTERS_PER_TOKEN, TextEncoder, pooling_of

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))
WORDS = ("red", "green", "blue", "house", "tree", "river")


@pytest.fixture(scope="module")
def tokenizer_json(real):
    return real.tokenizer_json


@pytest.fixture(scope="module")
def tokenizer(tokenizer_json):
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@pytest.fixture(scope="module")
def encoder_of(tokenizer_json):
    encoders = {size: TextEncoder(tokenizer_json, max_tokens=size) for size in (4, 5, 8, 15, 64, 4096)}
    return encoders.__getitem__


def of_words(*words):
    return " ".join(words)


@given(ANY_TEXT, st.sampled_from([4, 5, 8, 15, 64]), st.integers(1, 2_000))
@example("", 64, 1)
@example("\ud800\udc00\udfff", 8, 500)
@example("a", 5, 1_000)
@example("漢", 64, 1_000)
def test_ids_never_exceed_the_window(encoder_of, text, max_tokens, times):
    encoder, text = encoder_of(max_tokens), text[:200] * times
    ids = encoder.token_ids(text[:20_000])
    empty = encoder.token_ids("")
    assert len(empty) <= len(ids) <= max_tokens
    assert (ids[0], ids[-1]) == (empty[0], empty[-1])


@pytest.mark.parametrize("max_tokens", [2, 3])
def test_the_smallest_windows_are_kept_to(tokenizer_json, max_tokens):
    assert len(TextEncoder(tokenizer_json, max_tokens=max_tokens).token_ids("one two three")) == max_tokens


def test_an_empty_text_is_the_special_tokens_alone(encoder_of):
    assert len(encoder_of(64).token_ids("")) == 2
    assert encoder_of(64).token_ids(" \n") == encoder_of(64).token_ids("")


def test_a_text_that_fits_is_read_whole(encoder_of):
    ids = [encoder_of(64).token_ids(word)[1] for word in WORDS]
    assert encoder_of(64).token_ids(of_words(*WORDS))[1:-1] == ids


@pytest.mark.parametrize("max_tokens", [8, 15, 64])
@pytest.mark.parametrize("n_words", [70, 100, 5_000])
def test_a_text_of_more_tokens_is_read_at_its_head_and_its_tail(encoder_of, max_tokens, n_words):
    encoder, window = encoder_of(max_tokens), max_tokens - 2
    words = [WORDS[number % len(WORDS)] for number in range(n_words)]
    id_of = {word: encoder.token_ids(word)[1] for word in WORDS}
    head, tail = words[: (window + 1) // 2], words[-(window // 2) :]
    assert encoder.token_ids(of_words(*words))[1:-1] == [id_of[word] for word in (*head, *tail)]


def test_only_both_ends_of_a_long_text_are_read(encoder_of):
    read = 31 * CHARACTERS_PER_TOKEN
    head, tail = (of_words(*[word] * 200)[:read] for word in ("red ", "blue "))
    one, other = (encoder_of(64).token_ids(head + middle * 1_000 + tail) for middle in ("tree ", "漢 \ud800"))
    assert one == other


@given(st.lists(ANY_TEXT, min_size=1, max_size=8))
@example(["", "a " * 100, "\udfff"])
def test_padded_ids_equal_those_of_each_text_and_the_weights_pool_no_padding(encoder_of, texts):
    encoder = encoder_of(64)
    ids, pooling = encoder.padded(texts)
    rows = [encoder.token_ids(text) for text in texts]
    longest = max(map(len, rows))
    assert (ids.shape, ids.dtype) == ((len(texts), longest), np.int64)
    assert (pooling.shape, pooling.dtype) == ((len(texts), 1, longest), np.float64)
    assert [row[: len(own)].tolist() for row, own in zip(ids, rows, strict=True)] == rows
    assert all((row[len(own) :] == 0).all() for row, own in zip(ids, rows, strict=True))
    assert pooling.tolist() == [[[1 / len(own)] * len(own) + [0.0] * (longest - len(own))] for own in rows]


@given(ANY_TEXT)
def test_the_weights_of_one_text_are_those_it_has_in_a_batch(encoder_of, text):
    ids, pooling = encoder_of(64).padded([text])
    assert np.array_equal(pooling_of(ids), pooling)


def test_no_texts_give_no_rows(encoder_of):
    ids, pooling = encoder_of(64).padded([])
    assert (ids.shape, pooling.shape) == ((0, 0), (0, 1, 0))


BORDERS = [
    "\t",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1f",
    "\x85",
    "\xa0",
    "\u1680",
    "\u2003",
    "\u2028",
    "\u200b",
    "\u3000",
    "\ufeff",
]
PIECES = [
    "un",
    "Straße",
    "e\u0301",
    "\u0301",
    "漢字",
    "[MASK]",
    "[SEP]",
    "##ing",
    "don't",
    "x_y",
    "Σ",
    "ﬁ",
    "\ud800",
    "🦊",
    "\x00",
]


@given(st.lists(st.sampled_from([*BORDERS, *PIECES, " ", "\n"]) | st.characters(codec=None, exclude_categories=())))
def test_cached_ids_equal_those_that_the_tokenizer_gives_the_whole_text(encoder_of, tokenizer, parts):
    text = "".join(parts)
    whole = tokenizer.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False).ids
    encoder = encoder_of(4096)
    assert encoder.token_ids(text)[1:-1] == encoder.token_ids(text)[1:-1] == whole


@pytest.mark.parametrize("border", BORDERS, ids=ascii)
def test_every_kind_of_white_space_parts_words_as_the_tokenizer_says(encoder_of, tokenizer, border):
    whole = tokenizer.encode(f"un{border}able", add_special_tokens=False).ids
    assert encoder_of(4096).token_ids(f"un{border}able")[1:-1] == whole


def test_a_flood_of_distinct_words_is_not_all_remembered(tokenizer_json, monkeypatch):
    monkeypatch.setattr(encoder_module, "_CACHED_CHUNKS", 10)
    encoder = TextEncoder(tokenizer_json, max_tokens=64)
    texts = [f"word{number} {'x' * 41}{number}" for number in range(30)]
    assert [encoder.token_ids(text) for text in texts] == [encoder.token_ids(text) for text in texts]
    assert len(encoder._ids_by_chunk) == 10


@pytest.mark.parametrize("text", ["\ud800", "fix \udfff it", "\ud83d\ude00", "a\x00b\x7f", "\U0010ffff"])
def test_surrogates_and_control_characters_are_read_as_any_text(encoder_of, text):
    assert encoder_of(64).token_ids(text) == encoder_of(64).token_ids(text.encode("utf-8", "replace").decode())


def test_a_tokenizer_that_pads_and_truncates_by_itself_is_told_not_to(tokenizer_json, encoder_of):
    eager = Tokenizer.from_str(tokenizer_json)
    eager.enable_padding(length=128)
    eager.enable_truncation(max_length=4)
    encoder = TextEncoder(eager.to_str(), max_tokens=64)
    assert encoder.token_ids(of_words(*WORDS)) == encoder_of(64).token_ids(of_words(*WORDS))
