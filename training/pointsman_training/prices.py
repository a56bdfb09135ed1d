"""Read prices: CSV with the columns model, input_usd_per_mtok, output_usd_per_mtok."""

import csv
import io
import os
from pathlib import Path

from pointsman.errors import InvalidFile, RegistryError
from pointsman.registry import Price, nanousd_per_mtok

_COLUMNS = ("model", "input_usd_per_mtok", "output_usd_per_mtok")


def read_prices(path: str | os.PathLike[str]) -> dict[str, Price]:
    """Return the price of every priced model; rows without a price are skipped.

    Raises:
        InvalidFile: no such file, a column missing, a model twice, or a price that isn't a positive number; the message
            names the line.
    """
    source = Path(path)
    if not source.is_file():
        raise InvalidFile(f"{source} doesn't exist; expected a CSV file with the columns {', '.join(_COLUMNS)}.")
    prices: dict[str, Price] = {}
    try:
        text = source.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidFile(f"{source} isn't UTF-8: {error.reason} at byte {error.start}.") from None
    with io.StringIO(text, newline="") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in _COLUMNS if name not in (reader.fieldnames or ())]:
            raise InvalidFile(f"{source} lacks the column {missing[0]}; expected {', '.join(_COLUMNS)}.")
        for line in reader:
            place = f"{source}, line {reader.line_num}"
            if line["model"] in prices:
                raise InvalidFile(f"{place}: model {line['model']!r} was priced already; keep one row a model.")
            if line["input_usd_per_mtok"] and line["output_usd_per_mtok"]:
                prices[line["model"]] = _price(line["input_usd_per_mtok"], line["output_usd_per_mtok"], place)
    return prices


def _price(input_usd: str, output_usd: str, place: str) -> Price:
    try:
        return Price(
            input_nanousd_per_mtok=nanousd_per_mtok(input_usd), output_nanousd_per_mtok=nanousd_per_mtok(output_usd)
        )
    except RegistryError as error:
        raise InvalidFile(f"{place}: {error}") from None
