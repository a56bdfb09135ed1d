"""What is known of a key and of a user."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec

from pointsman.access.words import ACCESS_ROLES, AccessRole, Principal, Rates
from pointsman.errors import InvalidInput

MAX_NAME_CHARACTERS: Final = 200
MAX_RATE: Final = 10**12
MAX_DAYS: Final = 36_500


class KeyTerms(msgspec.Struct, frozen=True):
    """Whom a key belongs to, and how far it reaches. `expires` None is never; `name` is for people."""

    user: str | None = None
    team: str | None = None
    role: AccessRole = "member"
    name: str = ""
    rates: Rates = Rates()
    expires: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be kept.

        Raises:
            InvalidInput: a name, a role or a rate.
        """
        for field, value in (("user", self.user), ("team", self.team), ("name", self.name or None)):
            if value is not None:
                check_name(field, value)
        check_role(self.role)
        for field, rate in zip(self.rates.__struct_fields__, msgspec.structs.astuple(self.rates), strict=True):
            if rate is not None and not (type(rate) is int and 1 <= rate <= MAX_RATE):
                raise InvalidInput(f"{field} is {rate!r:.80}; expected a whole number from 1 on.", field=field)
        if self.expires is not None and self.expires.tzinfo is None:
            raise InvalidInput(f"expires is {self.expires}; expected a moment with its time zone.", field="expires")


def terms_of(fields: Mapping[str, Any], now: datetime) -> KeyTerms:
    """Return the terms that a request or a command line states by name; what it leaves out is at its default.

    Raises:
        InvalidInput: a value that can't be kept.
    """
    given = {name: fields[name] for name in ("user", "team", "role", "name") if fields.get(name) is not None}
    rates = Rates(fields.get("requests_per_minute"), fields.get("tokens_per_minute"))
    days = fields.get("expires_days")
    if days is not None and not 0 < days <= MAX_DAYS:
        raise InvalidInput(f"expires_days is {days:g}; expected above 0, up to {MAX_DAYS:,}.", field="expires_days")
    return KeyTerms(**given, rates=rates, expires=None if days is None else now + timedelta(days=days))


class KeyRecord(msgspec.Struct, frozen=True):
    """A key as it is listed: everything but what would open anything."""

    id: str
    tenant: str
    user: str | None
    team: str | None
    role: AccessRole
    name: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    last_used: date | None


class IssuedKey(msgspec.Struct, frozen=True):
    """A key just made, with the whole of it: shown to whoever asked, and nowhere else."""

    token: str
    key: KeyRecord

    def __repr__(self) -> str:
        return f"IssuedKey(key={self.key!r})"


class UserRecord(msgspec.Struct, frozen=True):
    """A user: the team that pays for its keys, and the most that its keys may do."""

    user: str
    team: str | None
    role: AccessRole


class StoredKey(msgspec.Struct, frozen=True):
    """A key that isn't revoked, as it is checked.

    `previous` is the digest before a rotation, which counts until `previous_until`. `fingerprint` names the secret that
    the digests were made under.
    """

    principal: Principal
    digest: bytes
    expires: datetime | None
    previous: bytes | None
    previous_until: datetime | None
    fingerprint: str

    def __repr__(self) -> str:
        return f"StoredKey(principal={self.principal!r})"


def check_name(field: str, name: str) -> None:
    """Refuse the name of a tenant, a user, a team or a key that can't be counted or shown.

    Raises:
        InvalidInput: not 1 to `MAX_NAME_CHARACTERS` printable characters without spaces around them.
    """
    is_text = isinstance(name, str) and name.isprintable() and name == name.strip()
    if not is_text or not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        expected = f"1 to {MAX_NAME_CHARACTERS} printable characters, without spaces around them"
        raise InvalidInput(f"{field} is {name!r:.80}; expected {expected}.", field=field)


def check_role(role: str) -> None:
    """Refuse a role that there isn't.

    Raises:
        InvalidInput: the message names those that there are.
    """
    if role not in ACCESS_ROLES:
        raise InvalidInput(f"role is {role!r:.80}; expected one of {', '.join(ACCESS_ROLES)}.", field="role")
