import argparse
import json

import pytest

from pointsman.cli.registry import add_parser
from pointsman.errors import InvalidFile, RegistryError, UnknownModel
from pointsman.prediction import read_bundle
from pointsman.prediction.newcomers import level_of
from pointsman.registry import load_fleet

SEEDS = '{"models": [{"id": "gpt-4o-mini", "name": "GPT-4o Mini", "capabilities": ["debugging"], "costPer1kTokens": 0.00015, "performance": {"latency": 1000, "quality": 0.85}, "availability": 0.99}]}'  # noqa: E501


@pytest.fixture
def command(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def run_words(*words):
        parser = argparse.ArgumentParser()
        add_parser(parser.add_subparsers())
        args = parser.parse_args(["registry", *map(str, words)])
        assert args.run(args) == 0
        return capsys.readouterr().out

    return run_words


def test_list_shows_every_model_of_a_fleet_with_prices(command):
    text = command("list")
    for model_id in load_fleet("default").ids:
        assert model_id in text
    assert "gpt-4o (baseline)" in text
    assert "$2.50" in text
    assert "prior" not in text


def test_list_marks_priors_and_says_why_once(command):
    text = command("list", "--fleet", "current")
    assert text.count("prior: ability is a prior from price and kin; no outcomes measured yet") == 1
    rows = [line for line in text.splitlines() if line.startswith("│")]
    assert [line.rstrip(" │").endswith("prior") for line in rows] == [True] * len(load_fleet("current").cards)


def test_list_prints_json_that_marks_priors(command):
    listed = json.loads(command("list", "--fleet", "seeds", "--json"))
    assert [entry["id"] for entry in listed] == list(load_fleet("seeds").ids)
    assert [entry["is_prior"] for entry in listed] == [card.is_prior for card in load_fleet("seeds").cards]


def test_list_all_has_the_whole_catalogue(command):
    listed = json.loads(command("list", "--all", "--json"))
    assert len(listed) >= 2000
    assert any(entry["price"] is None for entry in listed)
    assert "unpriced" in command("list", "--all")


def test_show_looks_in_the_fleet_and_then_in_the_catalogue(command):
    assert "128000" in command("show", "gpt-4o")
    assert "openai" in command("show", "o3")
    with pytest.raises(UnknownModel, match='fleet "default"'):
        command("show", "o3", "--fleet", "default")
    with pytest.raises(UnknownModel, match="nor is it in the default fleet"):
        command("show", "no-such-model")


def test_a_seed_registry_is_imported_into_a_fleet_that_validates(command, tmp_path):
    source, output = tmp_path / "model_registry.json", tmp_path / "mine.yaml"
    source.write_text(SEEDS)
    assert "1 models imported" in command("import", source, "--output", output)
    assert '"mine" is valid: 1 models, 1 on priors, no baseline' in command("validate", output)
    assert load_fleet(output).ids == ("gpt-4o-mini",)


def test_validate_refuses_with_the_line(command, tmp_path):
    path = tmp_path / "fleet.yaml"
    path.write_text("models:\n- id: a\n  nmae: A\n")
    with pytest.raises(RegistryError, match="line 3"):
        command("validate", path)
    with pytest.raises(InvalidFile):
        command("validate", "default")


def test_a_name_that_looks_like_markup_is_printed_as_it_is(command, tmp_path):
    source, output = tmp_path / "seeds.json", tmp_path / "mine.yaml"
    source.write_text(SEEDS.replace("gpt-4o-mini", "[bold]x[/bold]"))
    command("import", source, "--output", output)
    assert "[bold]x[/bold]" in command("list", "--fleet", output)


def test_show_with_a_bundle_says_what_the_bundle_knows_of_the_model(command, bundle_dir):
    manifest = read_bundle(bundle_dir).manifest
    ability = manifest.abilities["gpt-4o"]
    told = f"{level_of(manifest, ability).words} on a typical task, from {ability.outcomes:,} outcomes"
    assert told in command("show", "gpt-4o", "--bundle", bundle_dir)
    assert "the bundle has no outcomes of it" in command(
        "show", "gpt-6-luna", "--fleet", "current", "--bundle", bundle_dir
    )
