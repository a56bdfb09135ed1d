import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pointsman.budget.rules import Rules
from pointsman.configuration import examine, read_configuration
from pointsman.configuration.meanings import MEANINGS
from pointsman.configuration.models import CALLED, CARD_FIELDS
from pointsman.configuration.reading import KEYS
from pointsman.configuration.summary import summary
from pointsman.errors import InvalidConfig
from pointsman.policy import Policy
from pointsman.registry import load_fleet
from pointsman.settings import CacheSettings, KeySettings, Provider, Upstream
from pointsman.treasury.opening import DEFAULT_URL

from .conftest import ENVIRON, MODELS, PROVIDERS, SECRET, START


def test_the_contracts_file_becomes_a_configuration(found):
    made = found(START).configuration
    cards = {card.id: card for card in load_fleet("default").cards}
    assert dict(made.providers) == {"openai": Provider("openai", "https://api.openai.com/v1", SECRET)}
    assert made.fleet.cards == tuple(
        msgspec.structs.replace(cards[name], provider=made.fleet.card(name).provider)
        for name in ("gpt-4o-mini", "gpt-4o")
    )
    assert made.fleet.baseline == "gpt-4o"
    assert dict(made.upstreams) == {
        "gpt-4o-mini": Upstream("openai", "gpt-4o-mini"),
        "gpt-4o": Upstream("openai", "gpt-4o-2024-08-06"),
    }
    assert made.policy == Policy(confidence=0.7)
    assert made.budgets == Rules()
    assert made.keys == KeySettings(required=True)
    assert (made.database_url, made.tenant, made.profile, made.bundle) == (DEFAULT_URL, "default", "auto", None)


def test_what_is_left_out_is_at_its_default(found):
    made = found(PROVIDERS + MODELS).configuration
    assert made.policy == Policy()
    assert made.cache == CacheSettings()
    assert made.budgets == Rules()
    assert made.fleet.baseline is None


def test_budgets_false_keeps_none(found):
    assert found(PROVIDERS + MODELS + "budgets: false\n").configuration.budgets is None


def test_every_mistake_is_named_with_its_line(mistakes):
    text = """\
provider: {}
providers:
  openai: {base_url: "ftp://x", max_conections: 3, connect_timeout_s: -1}
  foo: {}
models:
  gpt-4o-mini: {provider: opena, latency_ms: -4, quality: 3}
  gpt-6.1-sol:
    provider: openai
    price: {input: 2, output: x}
routing: {strategy: cheap, baseline: gpt-4, confidence: 1.7, weights: {cost: -1}, trade_usd: 3, target_quality: 0.2}
budgets:
  daily_usd: 10
  dayly: 3
  named: {"user:a.b": {daily_usd: -1}}
keys: {required: maybe}
server: 3
cache: {ttl_days: .nan, threshold: 2}
retries: {attempts: 1.5}
streams: {on_disconnect: stop}
output: {max_tokens_by_type: {knitting: 3}}
cascade: {judge: gpt}
"""
    assert [line.partition(": ")[::2] for line in mistakes(text)] == [
        ("pointsman.yaml, line 1", "provider is no known setting; did you mean providers?"),
        (
            "pointsman.yaml, line 3",
            "providers.openai.max_conections is no known setting; did you mean max_connections?",
        ),
        (
            "pointsman.yaml, line 3",
            "providers.openai.connect_timeout_s is -1; expected a number above 0 and at most 86,400.",
        ),
        (
            "pointsman.yaml, line 3",
            "providers.openai.base_url is 'ftp://x'; expected http:// or https:// with a host and a path, without "
            "user, password, query or fragment.",
        ),
        (
            "pointsman.yaml, line 4",
            'providers.foo has no base_url; expected one such as "https://api.example.com/v1" (known for openai and '
            "anthropic), or protocol: litellm.",
        ),
        (
            "pointsman.yaml, line 6",
            "models.gpt-4o-mini.provider is 'opena', which providers doesn't have; did you mean openai?",
        ),
        ("pointsman.yaml, line 6", "models.gpt-4o-mini: latency_ms is -4; expected milliseconds above 0."),
        ("pointsman.yaml, line 6", "models.gpt-4o-mini: quality is 3; expected a probability from 0 to 1."),
        (
            "pointsman.yaml, line 9",
            "models.gpt-6.1-sol: price.output is 'x'; expected a number of USD per million tokens.",
        ),
        ("pointsman.yaml, line 10", "routing.confidence is 1.7; expected a number from 0 to 1, or null."),
        ("pointsman.yaml, line 10", "routing.weights.cost is -1; expected a number from 0."),
        (
            "pointsman.yaml, line 10",
            "routing.strategy is 'cheap'; expected one of cost-optimised, quality-first, weighted, "
            "task-type-optimised, dynamic-adaptive, cost-aggressive, control.",
        ),
        (
            "pointsman.yaml, line 10",
            "routing.target_quality solves the dial, and trade_usd sets it; give one of them.",
        ),
        (
            "pointsman.yaml, line 10",
            'routing.baseline: No model "gpt-4" in the fleet "configured"; did you mean gpt-4o-mini or gpt-6.1-sol?',
        ),
        (
            "pointsman.yaml, line 13",
            "budgets.dayly is no known field; expected any of currency, daily_usd, monthly_usd, total_usd, "
            "request_usd, task_types, tiers, borrowing, each, named, plans, default_plan, alerts.",
        ),
        (
            "pointsman.yaml, line 14",
            "budgets.named.user:a.b.daily_usd is -1 USD; expected 0 to 1,000,000,000.",
        ),
        ("pointsman.yaml, line 15", "keys.required is 'maybe'; expected true or false."),
        ("pointsman.yaml, line 16", "server is a number; expected a mapping of settings."),
        (
            "pointsman.yaml, line 17",
            "cache.ttl_days is nan; expected a number above 0 and at most 36,500.",
        ),
        ("pointsman.yaml, line 17", "cache.threshold is 2; expected a number from 0 to 1, or null."),
        ("pointsman.yaml, line 18", "retries.attempts is 1.5; expected a whole number from 0 to 20."),
        ("pointsman.yaml, line 19", "streams.on_disconnect is 'stop'; expected one of abort, finish."),
        (
            "pointsman.yaml, line 20",
            "output.max_tokens_by_type: type is 'knitting'; expected one of code_generation, debugging, refactoring, "
            "documentation, code_review, architecture, testing, optimization, data_analysis, summarization, "
            "translation, creative_writing, question_answering, reasoning, extraction, conversation. Leave it out to "
            "have it predicted.",
        ),
        (
            "pointsman.yaml, line 21",
            "cascade.judge is 'gpt', which models doesn't have; expected any of gpt-4o-mini, gpt-6.1-sol.",
        ),
    ]


def test_reading_raises_all_mistakes_at_once(tmp_path):
    path = tmp_path / "pointsman.yaml"
    path.write_text(PROVIDERS + MODELS + "cache: {enabled: 1}\nserver: {port: 99999}\n")
    with pytest.raises(InvalidConfig) as raised:
        read_configuration(path, ENVIRON)
    assert raised.value.message == (
        f"{path}, line 3: cache.enabled is 1; expected true or false.\n"
        f"{path}, line 4: server.port is 99999; expected a whole number from 0 to 65,535."
    )


@pytest.mark.parametrize("text", ["", "- 1\n", "3\n", "a: [\n", "a: *b\n", "a: 1\na: 2\n", "\x00", "1: 2\n"])
def test_a_file_of_another_kind_is_refused(found, text):
    result = found(text)
    assert result.configuration is None
    assert result.mistakes


def test_braces_around_a_bare_variable_are_explained(mistakes):
    (mistake,) = mistakes("providers: {openai: {api_key: ${OPENAI_API_KEY}}}\n")
    assert mistake == (
        "pointsman.yaml, line 1: expected ',' or '}', but got '{'; expected plain YAML. "
        "Within braces, ${NAME} needs quotes."
    )


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InvalidConfig, match="can't be read: No such file"):
        read_configuration(tmp_path / "none.yaml", {})


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            "keys: {required: true}\ndatabase_url: postgresql://u:p@h/d\n",
            "keys.secret is missing: with PostgreSQL there is no file to keep it in; set secret: "
            '"${POINTSMAN_KEY_SECRET}", the same for every server.',
        ),
        (
            "database_url: mysql://u:hunter2@h/d\n",
            "database_url is no address of a database; expected sqlite:///pointsman.db or "
            "postgresql://user@host/database.",
        ),
        ("database_url: 3\n", "database_url is a number; expected a text."),
        (
            "retries: {base_delay_s: 5, max_delay_s: 1}\n",
            "retries.base_delay_s is above retries.max_delay_s; lower it.",
        ),
        (
            "alert_webhook: gopher://x\n",
            "alert_webhook is no URL; expected http:// or https:// and a host.",
        ),
        ("tenant: ''\n", "tenant has spaces around it, is empty, too long or unprintable; expected a name."),
        ("routing: {confidence: 0.5, policy: p.json}\n", "routing.policy already says what confidence would"),
        ("routing: {bundle: nowhere}\n", "routing.bundle: there is no directory"),
        ("cache: {seed: nowhere.jsonl}\n", "cache.seed: there is no file"),
        (
            "routing: {weights: {capability: 0, performance: 0, availability: 0, cost: 0}}\n",
            "routing.weights are (0.0, 0.0, 0.0, 0.0); expected four finite numbers, none negative, not all zero.",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(mistakes, section, said):
    lines = mistakes(PROVIDERS + MODELS + section)
    assert any(said in line for line in lines), lines
    assert "hunter2" not in "".join(lines)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("cache: {semantic: true}\n", "cache.semantic has no effect without cache.enabled: true."),
        (
            "server: {host: 0.0.0.0}\n",
            "whoever reaches 0.0.0.0 spends your money: keys.required is false, and others can reach it.",
        ),
    ],
)
def test_oversights_are_warned_of(found, section, said):
    result = found(PROVIDERS + MODELS + section)
    assert result.configuration is not None
    assert [warning.message for warning in result.warnings] == [said]


def test_local_addresses_need_no_keys(found):
    for host in ("127.0.0.1", "localhost", "::1"):
        assert found(PROVIDERS + MODELS + f'server: {{host: "{host}"}}\n').warnings == ()


def test_confidence_off_never_escalates(found):
    assert found(PROVIDERS + MODELS + "routing: {confidence: off}\n").configuration.policy == Policy(confidence=None)
    assert found(PROVIDERS + MODELS + "routing: {confidence: 0}\n").configuration.policy == Policy(confidence=0.0)


def test_a_policy_file_is_read_from_beside_the_configuration(found, tmp_path):
    from pointsman.policy_file import policy_json

    (tmp_path / "policy.json").write_bytes(policy_json(Policy(trade_usd=0.02)))
    assert found(PROVIDERS + MODELS + "routing: {policy: policy.json}\n").configuration.policy == Policy(trade_usd=0.02)


def test_no_repr_shows_a_secret(found):
    text = START + f'server: {{port: 1}}\nalert_webhook: "https://x/{SECRET}"\n'
    text = text.replace("{required: true}", f"{{required: true, secret: {SECRET}}}")
    made = found(text).configuration
    assert SECRET not in repr(made) + repr(made.providers) + repr(made.keys)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary() | st.just("${X}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=5,
)
PATHS = [tuple(key.replace("NAME", "openai").split(".")) for key in MEANINGS] + [
    *((key,) for key in KEYS),
    ("providers", "x"),
    ("models", "gpt-4o"),
    ("models", "x"),
    *(("models", "gpt-4o", name) for name in (*CALLED, *CARD_FIELDS, "id")),
    *(("budgets", name) for name in ("tiers", "named", "each", "plans", "daily_usd", "alerts", "default_plan")),
]


@given(st.lists(st.tuples(st.sampled_from(PATHS), ODD), max_size=4))
def test_whatever_a_file_says_is_taken_or_refused_with_its_place(tmp_path_factory, changes):
    data = yaml.safe_load(START.replace("${OPENAI_API_KEY}", "k"))
    for path, value in changes:
        place = data
        for part in path[:-1]:
            if not isinstance(place.get(part), dict):
                place[part] = {}
            place = place[part]
        place[path[-1]] = value
    file = tmp_path_factory.getbasetemp() / "odd.yaml"
    file.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    result = examine(file, {})
    assert (result.configuration is None) == bool(result.mistakes)
    assert all(mistake.place.startswith(f"{file}, line ") for mistake in result.mistakes if mistake.place)
    if result.configuration is not None:
        assert summary(result.configuration)
