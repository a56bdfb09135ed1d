import json

import pytest

from pointsman import Constraints, Router, Task
from pointsman.registry import load_fleet

TEXT = "Fix the login bug"


@pytest.fixture
def route(pointsman, bundle_dir):
    return lambda *words, **options: pointsman("route", *words, "--bundle", bundle_dir, **options)


def test_json_is_the_whole_decision(route, router):
    code, out, err = route(TEXT, "--type", "debugging", "--budget", "0.5", "--json")
    assert (code, err) == (0, "")
    decision = router.route(Task(TEXT, type="debugging", budget_usd=0.5, constraints=Constraints()))
    assert json.loads(out) == json.loads(json.dumps(decision.to_dict()))


def test_every_option_reaches_the_decision(route, bundle_dir):
    _, out, _ = route(
        *(TEXT, "--require", "vision,tools", "--models", "gpt-4o, gpt-4o-mini", "--max-latency", "60000"),
        *("--min-quality", "0.01", "--profile", "fast", "--strategy", "quality-first", "--json"),
    )
    constraints = Constraints(("vision", "tools"), ("gpt-4o", "gpt-4o-mini"), max_latency_ms=60000, min_quality=0.01)
    decision = json.loads(out)
    assert sorted(candidate["model"] for candidate in decision["candidates"]) == ["gpt-4o", "gpt-4o-mini"]
    assert (decision["profile"], decision["strategy"]) == ("fast", "quality-first")
    router = Router.load(bundle=bundle_dir, profile="fast")
    assert decision["complexity"] == router.route(Task(TEXT, constraints=constraints)).to_dict()["complexity"]


def test_the_dial_buys_quality(route):
    cheap, dear = (json.loads(route(TEXT, "--trade-usd", dial, "--json").out) for dial in ("0.000001", "1000"))
    assert cheap["cost_nanousd"] < dear["cost_nanousd"]
    assert cheap["quality"] < dear["quality"]


def test_the_table_shows_every_model_and_what_was_decided(route, router):
    code, out, err = route(TEXT, "--type", "debugging", "--require", "vision")
    assert (code, err) == (0, "")
    decision = router.route(Task(TEXT, type="debugging", constraints=Constraints(capabilities=("vision",))))
    able = {candidate.model for candidate in decision.candidates}
    rows = {line.split()[0]: line.split()[-1] for line in out.splitlines() if line.split()[-1:] in (["yes"], ["no"])}
    assert rows == {model: "yes" if model in able else "no" for model in load_fleet("default").ids}
    facts = dict(line.split(maxsplit=1) for line in out.splitlines() if line[:1].isalpha())
    assert facts["model"].strip() == decision.model
    assert facts["confidence"].strip() == f"{decision.confidence:.2f}"
    assert facts["type"].strip() == "debugging (given)"
    assert facts["complexity"].startswith(f"{decision.complexity.label} (simple 0.")
    assert facts["profile"].strip() == decision.profile
    assert facts["saving"].strip().endswith("% against gpt-4o)")
    assert "prior" not in out


def test_a_type_that_was_predicted_says_so(route):
    assert "(predicted)" in route(TEXT).out


def test_priors_are_marked_on_every_row_and_explained_once(route):
    out = route(TEXT, "--fleet", "current").out
    rows = [line for line in out.splitlines() if line.rstrip().endswith("yes")]
    assert rows
    assert all(" prior " in row for row in rows)
    assert [line[:21] for line in out.splitlines() if line.startswith("prior:")] == ["prior: no outcomes of"]
    assert "(prior)" in out


def test_a_fleet_without_a_baseline_has_no_saving(route, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "models:\n- {id: mine, name: Mine, price: {input: 1, output: 2}, context_tokens: 9000,"
        " max_output_tokens: 900, latency_ms: 500, availability: 0.99}\n"
    )
    assert "unknown: the fleet has no baseline model" in route(TEXT, "--fleet", path).out


@pytest.mark.parametrize("raw", [TEXT.encode(), TEXT.encode() + b"\n", b"\xef\xbb\xbf" + TEXT.encode() + b"\r\n"])
def test_a_dash_reads_standard_input(route, raw):
    assert json.loads(route("-", "--json", stdin=raw).out) == json.loads(route(TEXT, "--json").out)


def test_a_model_name_that_looks_like_markup_is_printed_as_it_is(route, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "models:\n- {id: '[bold]x[/bold]', name: X, price: {input: 1, output: 2}, context_tokens: 9000,"
        " max_output_tokens: 900, latency_ms: 500, availability: 0.99}\n"
    )
    out = route(TEXT, "--fleet", path).out
    assert out.count("[bold]x[/bold]") >= 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("",), "description is empty; expected the text of the task."),
        ((TEXT, "--budget", "-1"), "budget_usd is -1.0 USD; expected 0 to 1,000,000,000."),
        ((TEXT, "--budget", "nan"), "budget_usd is nan; expected a finite number of dollars, such as 0.05."),
        ((TEXT, "--min-quality", "7"), "constraints.min_quality is 7.0; expected a probability from 0 to 1."),
        ((TEXT, "--max-latency", "-5"), "constraints.max_latency_ms is -5.0; expected milliseconds above 0."),
        ((TEXT, "--models", "gpt4o"), 'No model "gpt4o" in the fleet "default"; did you mean gpt-4o or gpt-4o-mini?'),
        (
            (TEXT, "--require", "smell"),
            "constraints.capabilities has 'smell'; expected any of vision, tools, json_mode.",
        ),
        (
            (TEXT, "--strategy", "best"),
            "strategy is 'best'; expected one of cost-optimised, quality-first, weighted, task-type-optimised, "
            "dynamic-adaptive, cost-aggressive, control.",
        ),
        ((TEXT, "--trade-usd", "0"), "trade_usd is 0.0; expected a number of dollars, at least 1e-12."),
        (
            (TEXT, "--fleet", "mine"),
            'No fleet "mine"; expected default, seeds, current, or the path of a YAML or JSON file.',
        ),
    ],
)
def test_a_refusal_is_one_line_and_exit_code_2(route, words, message):
    assert route(*words) == (2, "", f"error: {message}\n")


def test_an_unknown_type_lists_all_types(route):
    code, out, err = route(TEXT, "--type", "poetry")
    assert (code, out) == (2, "")
    assert err.startswith("error: type is 'poetry'; expected one of code_generation, debugging, ")


def test_a_budget_that_no_model_meets_names_the_cheapest(route):
    code, out, err = route(TEXT, "--budget", "0.000000001")
    assert (code, out) == (2, "")
    assert err.startswith("error: No model can do this task within $0.000000001: the cheapest able")


def test_a_list_with_an_empty_name_is_a_usage_error(route):
    code, out, err = route(TEXT, "--models", "a,,b")
    assert (code, out) == (2, "")
    assert "'a,,b' has an empty name; expected names with commas between, such as a,b" in err


def test_standard_input_that_is_not_utf8_is_refused_with_the_byte(route):
    message = "error: standard input: byte 4 isn't UTF-8; send the text as UTF-8.\n"
    assert route("-", stdin=b"Fix\xff") == (2, "", message)


def test_a_bundle_that_is_none_is_refused(pointsman, tmp_path):
    code, out, err = pointsman("route", TEXT, "--bundle", tmp_path)
    assert (code, out) == (2, "")
    expected = f"{tmp_path}/manifest.json is missing or isn't a plain file; {tmp_path} is not a complete bundle."
    assert err == f"error: {expected}\n"
