from pathlib import Path

import msgspec
import pytest

from pointsman.configuration.meanings import MEANINGS, Meaning
from pointsman.configuration.reading import KEYS
from pointsman.configuration.reference import with_tables
from pointsman.configuration.reloading import FIXED
from pointsman.configuration.words import SECTIONS, Configuration, Deployment
from pointsman.settings import Provider

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def fields_of(kind, path):
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from fields_of(field.type, f"{path}{field.name}.")
        else:
            yield f"{path}{field.name}"


def test_the_page_has_every_setting_as_it_is():
    """To write the tables anew: python scripts/configuration_page.py."""
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page) == page


def test_every_setting_has_a_meaning_and_every_meaning_a_setting():
    keys = [*fields_of(Deployment, ""), *fields_of(Provider, "providers.NAME.")]
    for section, kind in SECTIONS.items():
        keys += fields_of(kind, f"{section}.")
    keys.remove("providers.NAME.name")
    assert sorted(keys) == sorted(MEANINGS)


def test_every_default_is_in_range():
    for section, kind in SECTIONS.items():
        for field in msgspec.structs.fields(kind):
            meaning = MEANINGS.get(f"{section}.{field.name}", Meaning(""))
            if isinstance(field.default, int | float) and not isinstance(field.default, bool):
                assert meaning.accepts(field.default), f"{section}.{field.name}"


def test_every_section_reaches_the_configuration():
    parts = {field.name for field in msgspec.structs.fields(Configuration)}
    assert set(KEYS) - parts == {"models", "routing"}


def test_the_page_names_what_a_running_server_keeps():
    page = PAGE.read_text(encoding="utf-8")
    assert ", ".join(f"`{key}`" for key in FIXED) in page


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match="lacks the marks of the table settings"):
        with_tables("nothing")
