"""Files that are written whole or not at all; "-" is standard output."""

import os
import secrets
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from pointsman.errors import InvalidFile
from pointsman.json_lines import STANDARD


def check_output(path: str) -> None:
    """Refuse an output that can't be written, before any work is spent on it.

    Raises:
        InvalidFile: it is a directory, or its directory doesn't exist.
    """
    target = Path(path)
    if path == STANDARD:
        return
    if target.is_dir():
        raise InvalidFile(f"{path} is a directory; expected the name of a file to write.")
    if not target.parent.is_dir():
        raise InvalidFile(f"{path} can't be written: there is no directory {target.parent}; create it first.")


def write_whole(path: str, lines: Iterable[bytes]) -> None:
    """Write lines to a file that appears whole or not at all, however far `lines` come; a former file is replaced.

    Raises:
        InvalidFile: the file can't be written.
    """
    check_output(path)
    if path == STANDARD:
        _write(sys.stdout.buffer, lines)
        return
    target = Path(path).resolve()
    try:
        if target.exists() and not target.is_file():  # a device or pipe can't be replaced by a file
            with target.open("wb") as file:
                _write(file, lines)
        else:
            _replace(target, lines)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InvalidFile(f"{path} can't be written: {error.strerror}.") from None


def _replace(target: Path, lines: Iterable[bytes]) -> None:
    scratch = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}")
    try:
        with scratch.open("xb") as file:
            _write(file, lines)
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, scratch)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def _write(file: BinaryIO, lines: Iterable[bytes]) -> None:
    for line in lines:
        file.write(line + b"\n")
    file.flush()
