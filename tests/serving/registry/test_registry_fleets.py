import importlib.metadata
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import yaml

from pointsman.errors import InvalidFile, RegistryError, UnknownModel
from pointsman.registry import (
    BUILT_IN_FLEETS,
    Fleet,
    card_to_dict,
    find_entry,
    load_fleet,
    parse_cards,
)

ENTRY = """\
  - id: {id}
    name: A model
    price:
      input: 1
      output: {output}
    context_tokens: 1000
    max_output_tokens: 100
    latency_ms: 10
    availability: 0.99
"""
GENAI_PRICES = "0.2.3"


def write(tmp_path, text, name="fleet.yaml"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def two_models(output=2):
    return "models:\n" + ENTRY.format(id="a", output=1) + ENTRY.format(id="b", output=output)


@pytest.mark.parametrize("name", BUILT_IN_FLEETS)
def test_a_built_in_fleet_loads_and_passes_the_checks_of_a_users_file(name):
    fleet = load_fleet(name)
    assert fleet.name == name
    assert fleet.baseline in fleet.ids
    assert parse_cards([card_to_dict(card) for card in fleet.cards]) == fleet.cards


def test_the_default_fleet_is_the_twelve_measured_models():
    fleet = load_fleet("default")
    assert fleet.ids == (
        "gpt-4o", "gpt-4o-mini", "claude-3-5-sonnet-20240620", "claude-3-haiku", "gemini-1.5-flash", "gemini-1.5-pro",
        "llama-3.1-8b-instruct", "llama-3.1-70b-instruct", "llama-3.1-405b-instruct", "deepseek-v2.5",
        "mistral-large-2", "gemma-2-9b-it",
    )  # fmt: skip
    assert not any(card.is_prior for card in fleet.cards)
    assert {card.availability for card in fleet.cards} == {0.99}


def test_the_default_fleets_prices_are_those_of_the_shared_table():
    path = Path(__file__).parents[3].parent / "shared" / "data" / "prices.csv"
    if not path.exists():
        pytest.skip("../shared/data/prices.csv is not here")
    import csv

    rows = {row["model"]: row for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())}
    for card in load_fleet("default").cards:
        stated = (rows[card.id]["input_usd_per_mtok"], rows[card.id]["output_usd_per_mtok"])
        price = card_to_dict(card)["price"]
        assert (price["input"], price["output"]) == tuple(map(float, stated)), card.id


def test_the_seeds_fleet_has_the_five_models_at_their_price_per_thousand_tokens():
    fleet = load_fleet("seeds")
    stated = {"gpt-4o": 5_000, "claude-sonnet-4": 3_000, "gpt-4o-mini": 150, "claude-haiku": 250, "gemini-pro": 1_250}
    for model_id, nanousd_per_token in stated.items():
        assert fleet.card(model_id).price.cost_nanousd(500, 500) == 1000 * nanousd_per_token
    assert [fleet.card(m).quality for m in ("gpt-4o", "claude-sonnet-4", "gpt-4o-mini")] == [0.95, 0.93, 0.85]
    assert [fleet.card(m).availability for m in ("gpt-4o", "claude-sonnet-4", "gpt-4o-mini")] == [0.99, 0.98, 0.99]
    assert {card.tier for card in fleet.cards} == {"mini", "standard", "premium", None}
    assert all(card.kin for card in fleet.cards)


def test_every_price_of_the_current_fleet_is_the_catalogues():
    installed = importlib.metadata.version("genai-prices")
    if installed != GENAI_PRICES:
        pytest.skip(f"current.yaml states genai-prices {GENAI_PRICES}; {installed} is installed")
    for card in load_fleet("current").cards:
        entry = find_entry(card.id, card.provider, date(2026, 11, 21))
        assert card.price == entry.price, card.id
        assert entry.context_tokens in (card.context_tokens, None), card.id


def test_every_model_of_the_current_fleet_says_that_its_ability_is_a_prior():
    measured = load_fleet("default").ids
    for card in load_fleet("current").cards:
        assert card.is_prior_note == "ability is a prior from price and kin; no outcomes measured yet"
        assert card.kin in measured


def test_a_file_takes_its_stem_as_name_and_json_reads_like_yaml(tmp_path):
    from_yaml = load_fleet(write(tmp_path, two_models()))
    data = json.dumps(yaml.safe_load(two_models()), indent="\t")
    assert load_fleet(str(write(tmp_path, data, "fleet.json"))) == from_yaml
    assert (from_yaml.name, from_yaml.ids, from_yaml.baseline) == ("fleet", ("a", "b"), None)


def test_a_wrong_price_is_refused_with_file_line_entry_and_field(tmp_path):
    path = write(tmp_path, two_models(output=600_000))
    with pytest.raises(RegistryError) as refusal:
        load_fleet(path)
    assert refusal.value.message.startswith(
        f'{path}, line 15: Registry entry 2 ("b"): price.output is 0.6 USD per token'
    )
    assert refusal.value.field == "models[1].price.output"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("models:\n- id: a\n  colour: red\n", 3, "colour is no known field"),
        ("models:\n- id: a\n  name: A\n  latency_ms: 1\n", 2, "context_tokens is missing"),
        ("name: x\nnodels: []\n", 2, "nodels is no known field"),
        ("name: x\nmodels: []\n", 2, "has no models"),
        ("name: x\n", 1, "models is NoneType"),
        ("name: 5\n" + two_models(), 1, "name is 5"),
        (two_models() + "baseline: c\n", 20, "baseline is 'c'"),
        ("models:\n" + 2 * ENTRY.format(id="a", output=1), 11, "entries 1 and 2 have the same id"),
        ("- id: a\n", 1, "expected a mapping"),
        ("", 1, "NoneType"),
    ],
)
def test_what_is_wrong_in_a_fleet_is_refused_with_its_line(tmp_path, text, line, said):
    with pytest.raises(RegistryError) as refusal:
        load_fleet(write(tmp_path, text))
    assert f"fleet.yaml, line {line}: " in refusal.value.message
    assert said in refusal.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [", "line 1"),
        ("a: &x [1]\nb: [*x, *x]\n", "line 2: the alias"),
        ("name: a\nname: b\n", "line 2: the key 'name' stands already on line 1"),
        ("a: !!python/object/apply:os.system ['true']\n", "line 1"),
        ("a: 2024-13-45\n", "month"),
        (b"ok: 1\n\xff\xfe", "line 2: the text isn't UTF-8"),
        ("a: \x07", "expected plain YAML"),
        ("[" * 5000, "nested too deeply"),
        ("{[1]: 2}", "line 1"),
        ("a: 1\n---\nb: 1\n", "line 2"),
    ],
)
def test_what_is_no_plain_yaml_is_refused(tmp_path, text, said):
    with pytest.raises(InvalidFile) as refusal:
        load_fleet(write(tmp_path, text))
    assert said in refusal.value.message


@pytest.mark.parametrize("text", ["{", '{"a": 1,}', '{"a": 1, "a": 2}', "[" * 5000, "1" * 5000])
def test_what_is_no_json_is_refused(tmp_path, text):
    with pytest.raises(InvalidFile):
        load_fleet(write(tmp_path, text, "fleet.json"))


def test_not_a_number_in_json_is_refused(tmp_path):
    text = json.dumps({"models": [{**yaml.safe_load(two_models())["models"][0], "latency_ms": float("nan")}]})
    with pytest.raises(RegistryError, match="latency_ms is nan"):
        load_fleet(write(tmp_path, text, "fleet.json"))


def test_a_huge_file_is_refused(tmp_path):
    with pytest.raises(InvalidFile, match="larger than 2 MB"):
        load_fleet(write(tmp_path, b"a" * 3_000_000))


def test_a_missing_fleet_or_file_says_what_there_is(tmp_path):
    with pytest.raises(RegistryError, match="default, seeds, current"):
        load_fleet("defualt")
    with pytest.raises(InvalidFile, match="can't be read"):
        load_fleet(tmp_path / "absent.yaml")
    with pytest.raises(InvalidFile, match="can't be read"):
        load_fleet(tmp_path)


def test_a_card_is_found_by_id_or_the_closest_named():
    fleet = load_fleet("default")
    assert fleet.card("gpt-4o").name == "GPT-4o"
    with pytest.raises(UnknownModel, match='No model "gpt-40" in the fleet "default"; did you mean gpt-4o'):
        fleet.card("gpt-40")


def test_a_subset_keeps_order_and_the_baseline_where_it_is_part():
    fleet = load_fleet("default")
    assert fleet.subset(["gpt-4o-mini", "gpt-4o"]).ids == ("gpt-4o", "gpt-4o-mini")
    assert fleet.subset(["gpt-4o-mini", "gpt-4o"]).baseline == "gpt-4o"
    assert fleet.subset(["gpt-4o-mini"]).baseline is None
    with pytest.raises(UnknownModel):
        fleet.subset(["gpt-5000"])
    with pytest.raises(RegistryError, match="no models"):
        fleet.subset([])


def test_a_fleet_refuses_two_cards_of_one_id():
    card = load_fleet("default").cards[0]
    with pytest.raises(RegistryError, match="entries 1 and 2"):
        Fleet("twice", (card, card))


def test_a_built_in_fleet_loads_without_the_slow_price_package():
    code = "import sys, pointsman.registry as r; r.load_fleet('default'); print('genai_prices' in sys.modules)"
    path = os.pathsep.join(filter(None, sys.path))
    answer = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, check=True)
    assert answer.stdout.strip() == b"False"
