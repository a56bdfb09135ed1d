import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.configuration.remarks import Remarks
from pointsman.configuration.substitution import FromEnvironment, substituted
from pointsman.configuration.variables import scalar_settings
from pointsman.configuration.words import SECTIONS
from pointsman.money import NANO
from pointsman.policy import Policy
from pointsman.registry.documents import Document

from .conftest import MODELS, PROVIDERS, SECRET, START

PLAIN = PROVIDERS + MODELS


def replaced(text, **environ):
    remarks = Remarks(Document("f", None, None))
    value = substituted(text, environ, remarks, ("a",))
    return value, [mistake.message for mistake in remarks.mistakes]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "1"),
        ("x${A}y${B}", "x1y2"),
        ("os.environ/A", "1"),
        ("${C:-three}", "three"),
        ("${C:-}", ""),
        ("${A:-three}", "1"),
        ("$${A}", "${A}"),
        ("$A {A}", "$A {A}"),
        ("see os.environ/A", "see os.environ/A"),
    ],
)
def test_references_are_replaced(text, value):
    assert replaced(text, A="1", B="2") == (value, [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${C}", "a needs the variable C, which is not set; export C=..., or write ${C:-default}."),
        ("os.environ/C", "a needs the variable C, which is not set; export C=..., or write ${C:-default}."),
        ("x${E}", "a needs the variable E, which is empty; export E=..., or write ${E:-default}."),
        ("${a-b}", "a has ${ without a variable's name and }; write $${ for a plain ${."),
        ("${A", "a has ${ without a variable's name and }; write $${ for a plain ${."),
    ],
)
def test_what_cannot_be_replaced_is_named(text, said):
    assert replaced(text, A="1", E="")[1] == [said]


@given(st.text(), st.text(min_size=1))
def test_a_text_without_references_stays_and_a_value_is_taken_as_it_is(text, value):
    if "${" not in text and not text.startswith("os.environ/"):
        assert replaced(text) == (text, [])
    assert replaced("${A}", A=value) == (value, [])


def test_a_value_of_the_environment_has_no_repr_of_its_own():
    assert repr(FromEnvironment(SECRET, "${A}")) == "<the value of ${A}>"


def test_an_unset_variable_is_named_once_with_its_line(mistakes):
    text = START.replace("OPENAI_API_KEY", "NOPE") + 'server: {port: "${PORT}"}\n'
    assert mistakes(text) == [
        "pointsman.yaml, line 2: providers.openai.api_key needs the variable NOPE, which is not set; export NOPE=..., "
        "or write ${NOPE:-default}.",
        "pointsman.yaml, line 10: server.port needs the variable PORT, which is not set; export PORT=..., or write "
        "${PORT:-default}.",
    ]


def test_values_of_the_environment_become_what_a_setting_takes(found):
    text = PLAIN + (
        'server: {port: "${V_PORT}"}\nkeys: {required: "${V_ON}"}\nprivacy: {retention_days: "${V_NULL}"}\n'
        'budgets: {daily_usd: "${V_USD}"}\n'
    )
    made = found(text, V_PORT="81", V_ON="true", V_NULL="null", V_USD="2.5").configuration
    assert (made.server.port, made.keys.required, made.privacy.retention_days) == (81, True, None)
    assert made.budgets.everyone.daily == 2.5 * NANO


@pytest.mark.parametrize(
    "section",
    [
        'server: {port: "${OPENAI_API_KEY}"}',
        'server: {host: ["${OPENAI_API_KEY}"]}',
        'routing: {strategy: "${OPENAI_API_KEY}"}',
        'routing: {baseline: "${OPENAI_API_KEY}"}',
        'routing: {bundle: "${OPENAI_API_KEY}"}',
        'routing: {policy: "${OPENAI_API_KEY}"}',
        'routing: {profile: "${OPENAI_API_KEY}"}',
        'routing: {production: "${OPENAI_API_KEY}"}',
        'routing: {strategy: task-type-optimised, trade_usd_by_type: {coding: "${OPENAI_API_KEY}"}}',
        'budgets: {daily_usd: "${OPENAI_API_KEY}"}',
        'budgets: {default_plan: "${OPENAI_API_KEY}"}',
        'budgets: {tiers: {simple: "${OPENAI_API_KEY}", medium: 1, complex: 1}}',
        'cache: {ttl_days: "${OPENAI_API_KEY}", seed: "${OPENAI_API_KEY}"}',
        'cascade: {judge: "${OPENAI_API_KEY}"}',
        'streams: {on_disconnect: "${OPENAI_API_KEY}"}',
        'database_url: "${OPENAI_API_KEY}"',
        'alert_webhook: "${OPENAI_API_KEY}"',
        'tenant: " ${OPENAI_API_KEY}"',
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_without_being_shown(mistakes, section):
    lines = mistakes(f"{PLAIN}{section}\n")
    assert lines
    assert SECRET not in "".join(lines)


@pytest.mark.parametrize(
    "field", ["card", "latency_ms", "price", "free", "kin", "kin_shift", "tier", "capabilities", "task_types"]
)
def test_a_secret_in_a_model_is_refused_without_being_shown(mistakes, field):
    lines = mistakes(f'{PROVIDERS}models: {{gpt-4o: {{provider: openai, {field}: "${{OPENAI_API_KEY}} x"}}}}\n')
    assert lines
    assert SECRET not in "".join(lines)


def test_a_secret_as_base_url_is_refused_without_being_shown(mistakes):
    (line,) = mistakes('providers: {openai: {api_key: a, base_url: "${OPENAI_API_KEY}"}}\n' + MODELS)
    assert "providers.openai.base_url is <the value of ${OPENAI_API_KEY}>; expected" in line


def test_variables_override_the_file(found):
    made = found(
        START,
        POINTSMAN_ROUTING_CONFIDENCE="0.9",
        POINTSMAN_ROUTING_WEIGHTS_COST="0.5",
        POINTSMAN_DATABASE_URL="sqlite:///other.db",
        POINTSMAN_CACHE_TTL_DAYS="3",
        POINTSMAN_KEYS_REQUIRED="false",
        POINTSMAN_BUDGETS_DAILY_USD="3",
        POINTSMAN_BUDGETS_MONTHLY_USD="unlimited",
        POINTSMAN_SERVER_WORKERS="",
    ).configuration
    assert (made.policy.confidence, made.policy.weights.cost) == (0.9, 0.5)
    assert (made.database_url, made.cache.ttl_days, made.keys.required) == ("sqlite:///other.db", 3.0, False)
    assert (made.budgets.everyone.daily, made.budgets.everyone.monthly) == (3 * NANO, None)
    assert made.server.workers == 1


def test_every_scalar_setting_has_a_variable_that_takes_its_default(found):
    plain = found(PLAIN).configuration
    environ = {}
    for variable, path in scalar_settings().items():
        value = plain
        for part in path:
            value = getattr(value, part, msgspec.UNSET)
        if value is not msgspec.UNSET and path[0] in SECTIONS:
            environ[variable] = "null" if value is None else str(value).lower()
    assert len(environ) > 40
    result = found(PLAIN, **environ)
    assert result.mistakes == ()
    assert result.configuration == plain


def test_a_wrong_value_is_named_by_its_variable(mistakes):
    assert mistakes(START, POINTSMAN_ROUTING_CONFIDENCE="2", POINTSMAN_CACHE_ENABLED="maybe") == [
        "POINTSMAN_ROUTING_CONFIDENCE: routing.confidence is <the value of $POINTSMAN_ROUTING_CONFIDENCE>; expected a "
        "number from 0 to 1, or null.",
        "POINTSMAN_CACHE_ENABLED: cache.enabled is <the value of $POINTSMAN_CACHE_ENABLED>; expected true or false.",
    ]


def test_a_variable_that_nothing_reads_is_named_with_the_closest(warnings):
    assert warnings(START, POINTSMAN_CACHE_TTL="3", POINTSMAN_ZZZZZ="1", POINTSMAN_WEBHOOK_SECRET="s") == [
        "POINTSMAN_CACHE_TTL: no setting has this variable; did you mean POINTSMAN_CACHE_TTL_DAYS?",
        "POINTSMAN_ZZZZZ: no setting has this variable; docs/configuration.md lists those that are.",
    ]


@pytest.mark.parametrize(
    ("environ", "policy"),
    [
        ({"ROUTER_ESCALATION_THRESHOLD": "0.6"}, Policy(confidence=0.6)),
        ({"ROUTER_ENABLE_ESCALATION": "true"}, Policy(confidence=0.7)),
        ({"ROUTER_ENABLE_ESCALATION": "false"}, Policy(confidence=None)),
        ({"ROUTER_ENABLE_ESCALATION": "false", "ROUTER_ESCALATION_THRESHOLD": "0.6"}, Policy(confidence=None)),
        ({"ROUTER_COST_OPTIMIZATION": "true"}, Policy(confidence=0.7)),
        ({"ROUTER_COST_OPTIMIZATION": "false"}, Policy("quality-first", confidence=0.7)),
        ({"ROUTER_COST_OPTIMIZATION": "false", "ROUTING_STRATEGY": "weighted"}, Policy("weighted", confidence=0.7)),
        ({"CONFIDENCE": "off"}, Policy(confidence=None)),
    ],
)
def test_the_names_of_former_routers_keep_working(found, environ, policy):
    result = found(START, **{f"POINTSMAN_{name}": text for name, text in environ.items()})
    assert result.warnings == ()
    assert result.configuration.policy == policy


def test_the_names_of_former_caches_and_budgets_keep_working(found):
    made = found(
        START,
        POINTSMAN_ENABLE_OPTIMIZATIONS="true",
        POINTSMAN_CACHE_TTL_DAYS="5",
        POINTSMAN_CACHE_MAX_SIZE="77",
        POINTSMAN_TOKEN_BUDGET_ROLLOVER_PERCENT="35",
    ).configuration
    assert (made.cache.enabled, made.trimming.enabled, made.cache.ttl_days, made.cache.max_entries) == (
        True,
        True,
        5,
        77,
    )
    assert {plan.rollover_percent for plan in made.budgets.plans.values()} == {35}
    off = found(START + "cache: {enabled: true}\n", POINTSMAN_ENABLE_OPTIMIZATIONS="false").configuration
    assert (off.cache.enabled, off.trimming.enabled) == (False, False)


def test_what_former_tools_had_and_this_has_not_is_said(found):
    result = found(
        START,
        POINTSMAN_ROUTING_ANALYTICS_PATH="/tmp/a.jsonl",
        POINTSMAN_ROUTING_AB_TEST_ENABLED="true",
        POINTSMAN_ENABLE_SMART_ROUTING="true",
    )
    assert [str(warning).partition(":")[0] for warning in result.warnings] == [
        "POINTSMAN_ROUTING_ANALYTICS_PATH",
        "POINTSMAN_ROUTING_AB_TEST_ENABLED",
    ]
    assert found(START, POINTSMAN_ROUTING_AB_TEST_ENABLED="false").warnings == ()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"ROUTING_ROLLOUT": "1.5"}, "expected a number from 0 to 1."),
        ({"ENABLE_OPTIMIZATIONS": "perhaps"}, "it is 'perhaps'; expected true or false."),
        ({"TOKEN_BUDGET_ROLLOVER_PERCENT": "120"}, "it is '120'; expected a whole percent from 0 to 100."),
        (
            {"CONFIDENCE": "0.5", "ROUTER_ESCALATION_THRESHOLD": "0.6"},
            "POINTSMAN_CONFIDENCE sets routing.confidence too, to something else; keep one of them.",
        ),
    ],
)
def test_a_variable_that_cannot_be_followed_is_refused(mistakes, environ, said):
    (line,) = mistakes(START, **{f"POINTSMAN_{name}": text for name, text in environ.items()})
    assert said in line


def test_a_section_of_another_kind_and_a_variable_for_it_is_one_mistake(mistakes):
    (line,) = mistakes(PLAIN + "cache: 3\n", POINTSMAN_CACHE_ENABLED="true")
    assert line == "pointsman.yaml, line 3: cache is a number; expected a mapping of settings."
