"""Writes the tables of docs/configuration.md from the settings; a test fails where the page isn't what this writes."""

from pathlib import Path

from pointsman.configuration.reference import with_tables

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"

if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
