import pytest

from pointsman.configuration.models import CATALOGUE_NOTE
from pointsman.registry import find_price, load_fleet
from pointsman.settings import Provider, Upstream

from .conftest import MODELS, PROVIDERS, SECRET


def providers_of(found, text, **environ):
    return dict(found(f"providers:\n{text}" + MODELS, **environ).configuration.providers)


def card_of(found, text):
    result = found(PROVIDERS + f"models:\n{text}")
    assert result.mistakes == ()
    return result.configuration.fleet.cards[0]


def test_well_known_providers_need_no_base_url(found):
    text = '  openai: {api_key: a}\n  anthropic: {api_key: "${K}"}\n'
    assert providers_of(found, text, K="b") == {
        "openai": Provider("openai", "https://api.openai.com/v1", "a", "openai"),
        "anthropic": Provider("anthropic", "https://api.anthropic.com", "b", "anthropic"),
    }


def test_a_provider_through_litellm_needs_no_base_url(found):
    text = "  openai: {api_key: a}\n  gem: {protocol: litellm}\n"
    assert providers_of(found, text)["gem"] == Provider("gem", None, None, "litellm")


def test_a_provider_takes_every_setting(found):
    text = """\
  openai:
    base_url: http://10.0.0.1:8080/v1/
    headers: {x-team: search}
    max_connections: 3
    connect_timeout_s: 1
    first_byte_timeout_s: 2
    idle_timeout_s: 3
    total_timeout_s: 4
    has_batch_prices: true
"""
    assert providers_of(found, text) == {
        "openai": Provider(
            "openai", "http://10.0.0.1:8080/v1", None, "openai", {"x-team": "search"}, 3, 1.0, 2.0, 3.0, 4.0, True
        )
    }


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "https://",
        "https://u:p@h/v1",
        "https://h/v1?x=1",
        "https://h/v1#x",
        "https://h:99999",
        "h/v1",
    ],
)
def test_a_base_url_that_is_not_plain_is_refused(mistakes, url):
    (mistake,) = mistakes(f'providers: {{openai: {{base_url: "{url}", api_key: "${{OPENAI_API_KEY}}"}}}}\n' + MODELS)
    assert "providers.openai.base_url is " in mistake
    assert "expected http:// or https:// with a host and a path" in mistake
    assert "u:p@" not in mistake


@pytest.mark.parametrize("key", ["sk-1\\n", "", "sk 1", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(mistakes, key):
    (mistake,) = mistakes(f'providers: {{openai: {{api_key: "{key}"}}}}\n' + MODELS)
    said = "providers.openai.api_key is empty, or has spaces, line breaks or other than ASCII in it."
    assert mistake == f"pointsman.yaml, line 1: {said}"


def test_a_header_that_splits_is_refused_without_its_value(mistakes):
    (mistake,) = mistakes(
        f'providers: {{openai: {{api_key: "${{OPENAI_API_KEY}}", headers: {{"a:b": "{SECRET}"}}}}}}\n' + MODELS
    )
    assert mistake == "pointsman.yaml, line 1: providers.openai.headers has 'a:b', which no header can be."


def test_keys_in_the_file_and_providers_without_one_are_warned_of(warnings):
    text = "providers:\n  openai: {api_key: sk-1}\n  anthropic: {}\n" + MODELS
    assert warnings(text) == [
        'pointsman.yaml, line 2: providers.openai.api_key stands in the file; write "${NAME}" instead.',
        "pointsman.yaml, line 3: providers.anthropic has no api_key; https://api.anthropic.com will refuse the calls.",
        "pointsman.yaml, line 3: providers.anthropic is called by no model.",
    ]


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        (
            'protocol: anthropic, base_url: "https://x.example"',
            ["only OpenAI's protocol has a word for a batch price."],
        ),
        ('base_url: "https://x.example/v1"', ["no model there has a price with batch_percent."]),
        ('base_url: "https://x.example/v1", price: 50', []),
    ],
    ids=["another protocol", "no price", "a price"],
)
def test_batch_prices_without_effect_are_warned_of(warnings, provider, said):
    provider, _, percent = provider.partition(", price: ")
    price = f"price: {{input: 1, output: 2, batch_percent: {percent or 100}}}"
    text = f'providers:\n  x: {{api_key: "${{OPENAI_API_KEY}}", has_batch_prices: true, {provider}}}\n'
    text += f"models:\n  gpt-4o: {{provider: x, {price}}}\n"
    place = "pointsman.yaml, line 2: providers.x.has_batch_prices has no effect: "
    assert warnings(text) == [place + words for words in said]


def test_a_model_of_the_current_fleet_comes_with_its_card(found):
    assert card_of(found, "  gpt-6.1-sol: {provider: openai}\n") == load_fleet("current").card("gpt-6.1-sol")


def test_what_the_file_says_replaces_the_cards_fields(found):
    card = card_of(found, "  gpt-4o: {provider: openai, latency_ms: 5, price: {input: 3, output: 9}, tier: mini}\n")
    known = load_fleet("default").card("gpt-4o")
    assert (card.latency_ms, card.tier, card.price.input_nanousd_per_mtok) == (5.0, "mini", 3_000_000_000)
    assert (card.context_tokens, card.name) == (known.context_tokens, known.name)
    assert card_of(found, "  gpt-4o: {provider: openai, free: true}\n").price.is_free


def test_an_alias_has_the_card_and_the_abilities_of_its_upstream_name(found):
    result = found(PROVIDERS + "models: {fast: {provider: openai, upstream_name: gpt-4o-mini}}\n")
    card = result.configuration.fleet.card("fast")
    assert (card.kin, card.price) == ("gpt-4o-mini", load_fleet("default").card("gpt-4o-mini").price)
    assert dict(result.configuration.upstreams) == {"fast": Upstream("openai", "gpt-4o-mini")}


def test_a_fine_tuned_model_may_name_its_base(found):
    fields = 'upstream_name: "ft:gpt-4o-mini:acme::1", card: gpt-4o-mini, price: {input: 1, output: 2}'
    card = card_of(found, f"  tuned: {{provider: openai, {fields}}}\n")
    assert (card.id, card.kin, card.price.output_nanousd_per_mtok) == ("tuned", "gpt-4o-mini", 2_000_000_000)


def test_a_model_of_the_catalogue_says_what_is_assumed(found):
    result = found(PROVIDERS + "models: {o3: {provider: openai}}\n")
    card = result.configuration.fleet.card("o3")
    assert (card.price, card.is_prior_note) == (find_price("o3", "openai"), CATALOGUE_NOTE)
    assert [warning.message for warning in result.warnings] == [
        "models.o3: max_output_tokens 4,096, latency_ms 1,500, availability 0.99 are assumed; state what you know."
    ]
    stated = "{provider: openai, max_output_tokens: 9, latency_ms: 9, availability: 1}"
    assert found(PROVIDERS + f"models: {{o3: {stated}}}\n").warnings == ()


def test_a_model_that_nothing_describes_is_refused_with_what_to_state(mistakes):
    assert mistakes(PROVIDERS + "models:\n  mine: {provider: openai, latency_ms: 3}\n") == [
        "pointsman.yaml, line 3: models.mine: no built-in fleet and no catalogue entry describes it; state price: "
        "{input: USD, output: USD} per million tokens (or free: true), context_tokens, max_output_tokens, "
        "availability, or card: the name of a model that is known."
    ]


def test_a_model_that_states_everything_is_taken(found):
    stated = "free: true, context_tokens: 9, max_output_tokens: 9, latency_ms: 9, availability: 1"
    card = card_of(found, f"  mine: {{provider: openai, {stated}}}\n")
    assert (card.id, card.name, card.price.is_free, card.context_tokens) == ("mine", "mine", True, 9)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("{}", "models.gpt-4o has no provider; expected one of openai."),
        ("", "models.gpt-4o has no provider; expected one of openai."),
        ("3", "models.gpt-4o is a number; expected a mapping of fields."),
        ("{provider: 3}", "models.gpt-4o.provider is 3; expected a text."),
        ("{provider: openai, upstream_name: ''}", "models.gpt-4o.upstream_name is ''; expected a text."),
        ("{provider: openai, latency: 3}", "models.gpt-4o.latency is no known setting; did you mean latency_ms?"),
        ("{provider: openai, price: {input: 0, output: 0}}", "models.gpt-4o: price.input is 0; state free: true"),
        ("{provider: openai, price: {input: 9000, output: 10}}", "did you mean per million tokens?"),
        ("{provider: openai, card: nothing}", "models.gpt-4o.card is 'nothing', which no fleet or catalogue has."),
    ],
)
def test_a_model_that_is_wrong_is_refused_with_its_line(mistakes, fields, said):
    lines = mistakes(PROVIDERS + f"models:\n  gpt-4o: {fields}\n")
    assert lines[0].startswith("pointsman.yaml, line 3: ")
    assert said in lines[0]


@pytest.mark.parametrize("name", ["auto", " gpt-4o", "gpt 4o", ""])
def test_a_name_that_callers_could_not_ask_for_is_refused(mistakes, name):
    models = f'{{"{name}": {{provider: openai, card: gpt-4o}}, gpt-4o: {{provider: openai}}}}'
    said = "expected a text without spaces other than auto, which is what callers write to have a model chosen."
    assert mistakes(f"{PROVIDERS}models: {models}\n") == [
        f"pointsman.yaml, line 2: the model's name is {name!r}; {said}"
    ]
