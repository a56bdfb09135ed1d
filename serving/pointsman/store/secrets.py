"""The secret under which keys are stored: a setting, or for a SQLite database a file beside it."""

import contextlib
import os
import secrets
import stat
import sys
from pathlib import Path
from typing import Final

from pointsman.access.tokens import secret_bytes
from pointsman.errors import InvalidConfig
from pointsman.store.database import Database

VARIABLE: Final = "POINTSMAN_KEY_SECRET"


def key_secret(database: Database, setting: str | None) -> bytes:
    """Return the secret that is set, else that in the file `<database>.secret`, which is made where there is none.

    Raises:
        InvalidConfig: it is too short, its file is open to others or can't be read; or a PostgreSQL database, which
            several machines may share, without a setting.
    """
    if setting is not None:
        return secret_bytes(setting)
    if not database.is_embedded:
        raise InvalidConfig(
            f"keys in the database {database.name} need a secret that every process knows, and none is set. "
            f"Make one with: openssl rand -hex 32. Give it as {VARIABLE} in the environment of every server.",
            field="keys.secret",
        )
    path = Path(f"{database.name}.secret")
    try:
        return _read(path) if path.exists() else _made(path)
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or "not text"
        raise InvalidConfig(f"{path}, the secret of the keys, can't be used: {cause}.", field="keys.secret") from None


def _read(path: Path) -> bytes:
    if sys.platform != "win32" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidConfig(
            f"{path} holds the secret of the keys, and others may read it. Run: chmod 600 {path}", field="keys.secret"
        )
    return secret_bytes(path.read_text("utf-8"))


def _made(path: Path) -> bytes:
    """Write the file whole or not at all; of two processes that make it, both read the one that came first."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    return _read(path)
