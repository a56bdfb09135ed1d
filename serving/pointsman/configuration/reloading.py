"""Reading again while running: all or nothing, and never what only a start can change."""

import os
from collections.abc import Mapping
from typing import Final

import msgspec

from pointsman.configuration.reading import read_configuration
from pointsman.configuration.words import Configuration
from pointsman.errors import InvalidConfig

FIXED: Final = ("database_url", "tenant", "hold_for_s", "alert_webhook", "server", "keys", "limits", "cache", "privacy")
"""Settings and whole sections that a running server keeps until it starts again."""


class Source:
    """Where a configuration comes from; it can be read again at any time, and nothing of a bad one is used."""

    def __init__(self, path: str | os.PathLike[str], environ: Mapping[str, str]) -> None:
        self.path = path
        self._environ = environ

    def read(self) -> Configuration:
        """Return the configuration as file and environment are at this moment.

        Raises:
            InvalidConfig: it can't be used.
        """
        return read_configuration(self.path, self._environ)

    def read_again(self, running: Configuration) -> Configuration:
        """Return the configuration that may take the place of the running one.

        Raises:
            InvalidConfig: it can't be used, or changes what only a start can.
        """
        fresh = self.read()
        refuse_fixed_changes(running, fresh)
        return fresh


def refuse_fixed_changes(old: Configuration, new: Configuration) -> None:
    """Refuse to change what only a start can.

    Raises:
        InvalidConfig: the message names each such setting, and no value.
    """
    before, after = _fixed(old), _fixed(new)
    changed = [key for key in before if before[key] != after[key]]
    if changed:
        raise InvalidConfig(
            f"{', '.join(changed)} can't change while running; nothing was changed. Start again, or put "
            f"{'it' if len(changed) == 1 else 'them'} back.",
            field=changed[0],
        )


def _fixed(configuration: Configuration) -> dict[str, object]:
    """Return the value of every fixed setting by its key, sections setting by setting."""
    found: dict[str, object] = {}
    for name in FIXED:
        value = getattr(configuration, name)
        parts = msgspec.structs.asdict(value) if isinstance(value, msgspec.Struct) else None
        found |= {name: value} if parts is None else {f"{name}.{key}": part for key, part in parts.items()}
    return found
