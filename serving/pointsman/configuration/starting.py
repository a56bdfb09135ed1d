"""A configuration to begin with: commented, and right as it is once its one variable is set."""

import os
from pathlib import Path
from typing import Final

from pointsman.errors import InvalidFile

FILE_NAME: Final = "pointsman.yaml"
_TEMPLATE: Final = Path(__file__).with_name("start.yaml")


def write_start(directory: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Write pointsman.yaml into a directory, which is made where there is none, and return its path.

    Raises:
        InvalidFile: there is one already and `force` isn't given, or it can't be written.
    """
    target = Path(directory) / FILE_NAME
    write_new(target, _TEMPLATE.read_text(encoding="utf-8"), force=force, advice="Keep it, or replace it with --force.")
    return target


def write_new(target: Path, text: str, *, advice: str, force: bool = False) -> None:
    """Write a text to a file that isn't there yet, or may be replaced.

    Raises:
        InvalidFile: it is there and `force` isn't given (the message ends in `advice`), or it can't be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidFile(f"{target.parent} can't be a directory: {error.strerror}.") from None
    try:
        with target.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InvalidFile(f"{target} exists already. {advice}") from None
    except OSError as error:
        raise InvalidFile(f"{target} can't be written: {error.strerror}.") from None
