import pytest

from pointsman.configuration import FIXED, Source, read_configuration, refuse_fixed_changes
from pointsman.errors import InvalidConfig

from .conftest import ENVIRON, START


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "pointsman.yaml"
    path.write_text(START)
    return path


def test_a_source_reads_the_file_as_it_is_at_the_moment(path):
    source = Source(path, ENVIRON)
    running = source.read()
    path.write_text(START.replace("0.7", "0.8").replace("daily_usd: 10", "daily_usd: 20"))
    fresh = source.read_again(running)
    assert (fresh.policy.confidence, fresh.budgets.everyone.daily) == (0.8, 20_000_000_000)


def test_a_bad_file_raises_and_changes_nothing(path):
    source = Source(path, ENVIRON)
    running = source.read()
    path.write_text(START.replace("0.7", "seven").replace("daily_usd: 10", "daily_usd: 20"))
    with pytest.raises(InvalidConfig, match=r"line 6: routing\.confidence is 'seven'"):
        source.read_again(running)
    assert running == read_configuration_of(START, path)


def read_configuration_of(text, path):
    path.write_text(text)
    return read_configuration(path, ENVIRON)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("server: {host: localhost}", "server.host"),
        ("server: {port: 9}", "server.port"),
        ("server: {workers: 2}", "server.workers"),
        ("tenant: acme", "tenant"),
    ],
)
def test_what_only_a_start_can_change_is_refused_by_name(path, section, key):
    old, new = Source(path, ENVIRON).read(), read_configuration_of(f"{START}{section}\n", path)
    with pytest.raises(InvalidConfig) as raised:
        refuse_fixed_changes(old, new)
    assert raised.value.message == (
        f"{key} can't change while running; nothing was changed. Start again, or put it back."
    )


def test_fixed_secrets_are_named_and_not_shown(path):
    old = Source(path, ENVIRON).read()
    text = START.replace("required: true", "required: true, secret: hunter2").replace("pointsman.db", "hunter3.db")
    with pytest.raises(InvalidConfig) as raised:
        refuse_fixed_changes(old, read_configuration_of(text, path))
    assert raised.value.message.startswith("database_url, keys.secret can't change while running")
    assert "hunter" not in raised.value.message


def test_an_equal_configuration_is_taken(path):
    source = Source(path, ENVIRON)
    refuse_fixed_changes(source.read(), source.read())
    assert len(FIXED) == len(set(FIXED))
