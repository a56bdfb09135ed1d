import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.access.tokens import (
    TOKEN_CHARACTERS,
    digest_of,
    fingerprint_of,
    id_of,
    is_id,
    new_token,
    secret_bytes,
    token_of,
)
from pointsman.errors import InvalidConfig


def test_a_key_has_its_id_in_front_and_256_random_bits_behind():
    token = new_token(lambda count: bytes(range(count)))
    assert (len(token), token[:3], token[11]) == (TOKEN_CHARACTERS, "pm-", "-")
    assert is_id(id_of(token))
    assert token_of(id_of(token), secrets.token_bytes) != token
    assert id_of(token_of(id_of(token), secrets.token_bytes)) == id_of(token)


@given(st.text(max_size=80))
def test_any_text_has_a_digest_of_32_bytes_that_depends_on_the_secret(text):
    assert len(digest_of(b"a" * 16, text)) == 32
    assert digest_of(b"a" * 16, text) != digest_of(b"b" * 16, text)


def test_a_fingerprint_tells_secrets_apart_and_isnt_a_digest():
    assert fingerprint_of(b"a" * 16) != fingerprint_of(b"b" * 16)
    assert fingerprint_of(b"a" * 16) == fingerprint_of(b"a" * 16)


def test_a_short_secret_is_refused_and_not_repeated():
    with pytest.raises(InvalidConfig, match="has 7 bytes; expected at least 16") as refusal:
        secret_bytes(" hunter2 \n")
    assert "hunter2" not in str(refusal.value)
    assert secret_bytes("0123456789abcdef\n") == b"0123456789abcdef"
