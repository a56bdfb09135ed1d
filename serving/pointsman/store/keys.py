"""Keys and users, with the history of who changed them."""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, func, select, update

from pointsman.access.records import (
    IssuedKey,
    KeyRecord,
    KeyTerms,
    StoredKey,
    UserRecord,
    check_name,
    check_role,
)
from pointsman.access.roles import lesser
from pointsman.access.tokens import RandomBytes, digest_of, fingerprint_of, id_of, is_id, new_token, token_of
from pointsman.access.words import AccessRole, Principal, Rates
from pointsman.budget.books import microseconds, moment
from pointsman.budget.windows import utc
from pointsman.errors import InvalidInput, UnknownKey
from pointsman.store.database import Database
from pointsman.store.tables import ACCESS_CHANGES, KEYS, USERS

MAX_OVERLAP = timedelta(days=30)


class AccessChange(msgspec.Struct, frozen=True):
    """One line of the history: a key is "created", "rotated" or "revoked", or a "user" is set.

    `subject` is the key's id or the user's name; `detail` is JSON, and has no secrets.
    """

    number: int
    tenant: str
    kind: str
    subject: str
    at: datetime
    changed_by: str
    detail: str


class StoredKeys:
    """The keys and users of all tenants; keys are stored as digests under `secret`.

    Everything raises LedgerUnavailable where the database can't be used. Close it, or use it as a context.
    """

    def __init__(
        self, database: Database, secret: bytes, *, clock: Callable[[], datetime], random_bytes: RandomBytes
    ) -> None:
        self._database = database
        self._clock = clock
        self._random_bytes = random_bytes
        self.secret = secret

    def now(self) -> datetime:
        """Return the moment of the clock, in UTC."""
        return utc(self._clock())

    def create(self, terms: KeyTerms, *, changed_by: str, tenant: str = "default") -> IssuedKey:
        """Return a key that counts everywhere within a second; its whole text is nowhere else.

        Raises:
            InvalidInput: names that can't be stored, or an expiry that has passed.
        """
        check_name("tenant", tenant)
        now = self.now()
        if terms.expires is not None and terms.expires <= now:
            raise InvalidInput(f"expires is {terms.expires}; expected a moment still to come.", field="expires")
        token = new_token(self._random_bytes)
        row: dict[str, object] = {
            "key_id": id_of(token),
            "tenant": tenant,
            "owner": terms.user,
            "team": terms.team,
            "role": terms.role,
            "name": terms.name,
            **msgspec.structs.asdict(terms.rates),
            **self._sealed(token),
            "created_us": microseconds(now),
            "expires_us": None if terms.expires is None else microseconds(utc(terms.expires)),
        }

        def write(connection: Connection) -> KeyRecord:
            connection.execute(KEYS.insert().values(row))
            self._note(connection, (tenant, "created", id_of(token), changed_by), _described(terms))
            return _record(_found(connection, tenant, id_of(token)))

        return IssuedKey(token, self._database.administer(write))

    def listed(self, tenant: str = "default") -> list[KeyRecord]:
        """Return the tenant's keys in the order in which they were made, the revoked too."""
        query = select(KEYS).where(KEYS.c.tenant == tenant).order_by(KEYS.c.created_us, KEYS.c.key_id)
        rows = self._database.read(lambda connection: connection.execute(query).fetchall())
        return [_record(row) for row in rows]

    def revoke(self, key_id: str, *, changed_by: str, tenant: str = "default") -> KeyRecord:
        """End a key for good, and return it; one that is revoked stays as it is.

        Raises:
            UnknownKey: the tenant has no such key.
        """

        def write(connection: Connection) -> KeyRecord:
            if _found(connection, tenant, key_id).revoked_us is None:
                self._change(connection, key_id, {"revoked_us": microseconds(self.now())})
                self._note(connection, (tenant, "revoked", key_id, changed_by))
            return _record(_found(connection, tenant, key_id))

        return self._database.administer(write)

    def rotate(
        self, key_id: str, *, changed_by: str, tenant: str = "default", overlap: timedelta = timedelta()
    ) -> IssuedKey:
        """Give a key another secret: same id, payers, limits and history. The one before counts for `overlap` more.

        Raises:
            UnknownKey: the tenant has no such key.
            InvalidInput: it is revoked, or an overlap below zero or above `MAX_OVERLAP`.
        """
        if not timedelta() <= overlap <= MAX_OVERLAP:
            raise InvalidInput(f"the overlap is {overlap}; expected 0 to {MAX_OVERLAP.days} days.", field="overlap_s")
        until_us = microseconds(self.now() + overlap) if overlap else None

        def write(connection: Connection) -> IssuedKey:
            found = _found(connection, tenant, key_id)
            if found.revoked_us is not None:
                raise InvalidInput(f"the key {key_id} is revoked; make another.", field="id")
            token = token_of(key_id, self._random_bytes)
            kept = {"previous": found.digest if overlap else None, "previous_until_us": until_us}
            self._change(connection, key_id, self._sealed(token) | kept)
            self._note(connection, (tenant, "rotated", key_id, changed_by))
            return IssuedKey(token, _record(_found(connection, tenant, key_id)))

        return self._database.administer(write)

    def set_user(
        self, user: str, *, team: str | None, role: AccessRole, changed_by: str, tenant: str = "default"
    ) -> UserRecord:
        """Put a user into a team, and say the most that the user's keys may do: for the keys there are, too.

        Raises:
            InvalidInput: a name or a role that can't be stored.
        """
        for field, name in (("tenant", tenant), ("user", user), ("team", team)):
            if name is not None:
                check_name(field, name)
        check_role(role)
        values = {"team": team, "role": role}
        place = and_(USERS.c.tenant == tenant, USERS.c.name == user)

        def write(connection: Connection) -> None:
            if connection.execute(update(USERS).where(place).values(values)).rowcount == 0:
                connection.execute(USERS.insert().values({"tenant": tenant, "name": user} | values))
            self._note(connection, (tenant, "user", user, changed_by), json.dumps(values))

        self._database.administer(write)
        return UserRecord(user, team, role)

    def users(self, tenant: str = "default") -> list[UserRecord]:
        """Return the tenant's users by name."""
        query = select(USERS).where(USERS.c.tenant == tenant).order_by(USERS.c.name)
        rows = self._database.read(lambda connection: connection.execute(query).fetchall())
        return [UserRecord(row.name, row.team, row.role) for row in rows]

    def history(self, tenant: str = "default", after: int = 0) -> list[AccessChange]:
        """Return who changed what, in order, at most 1,000 after the numbered one."""
        columns = ACCESS_CHANGES.c
        query = select(ACCESS_CHANGES).where(columns.tenant == tenant, columns.number > after)
        ordered = query.order_by(columns.number).limit(1000)
        rows = self._database.read(lambda connection: connection.execute(ordered).fetchall())
        return [
            AccessChange(row.number, row.tenant, row.kind, row.subject, moment(row.at_us), row.changed_by, row.detail)
            for row in rows
        ]

    def changes(self) -> int:
        """Return how often keys or users were changed: a count, since numbers may be committed out of order."""
        query = select(func.count()).select_from(ACCESS_CHANGES)
        return int(self._database.read(lambda connection: connection.execute(query).scalar_one()))

    def usable(self) -> list[StoredKey]:
        """Return every key that isn't revoked, with the team and the role that its user has."""
        owners = and_(USERS.c.tenant == KEYS.c.tenant, USERS.c.name == KEYS.c.owner)
        columns = (KEYS, USERS.c.team.label("user_team"), USERS.c.role.label("user_role"))
        query = select(*columns).join_from(KEYS, USERS, owners, isouter=True).where(KEYS.c.revoked_us.is_(None))
        rows = self._database.read(lambda connection: connection.execute(query).fetchall())
        return [_stored(row) for row in rows]

    def mark_used(self, key_ids: set[str], day: date) -> None:
        """Keep the last day on which keys were used."""
        statement = update(KEYS).where(KEYS.c.key_id.in_(sorted(key_ids))).values(last_used=day.isoformat())
        self._database.administer(lambda connection: connection.execute(statement))

    def close(self) -> None:
        """Let go of the database."""
        self._database.dispose()

    def __enter__(self) -> "StoredKeys":
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close."""
        self.close()

    def _sealed(self, token: str) -> dict[str, object]:
        return {"digest": digest_of(self.secret, token), "fingerprint": fingerprint_of(self.secret)}

    def _change(self, connection: Connection, key_id: str, values: dict[str, object]) -> None:
        connection.execute(update(KEYS).where(KEYS.c.key_id == key_id).values(values))

    def _note(self, connection: Connection, about: tuple[str, str, str, str], detail: str = "") -> None:
        tenant, kind, subject, changed_by = about
        check_name("changed_by", changed_by)
        row = {"tenant": tenant, "kind": kind, "subject": subject, "changed_by": changed_by, "detail": detail}
        connection.execute(ACCESS_CHANGES.insert().values(row | {"at_us": microseconds(self.now())}))


def _found(connection: Connection, tenant: str, key_id: str) -> Row[Any]:
    row = None
    if is_id(key_id):
        query = select(KEYS).where(KEYS.c.tenant == tenant, KEYS.c.key_id == key_id).with_for_update()
        row = connection.execute(query).first()
    if row is None:
        raise UnknownKey(f"there is no key with the id {key_id!r:.40}; list them with: pointsman keys list", field="id")
    return row


def _described(terms: KeyTerms) -> str:
    told: dict[str, Any] = msgspec.to_builtins(terms)
    told |= told.pop("rates")
    return json.dumps({name: value for name, value in told.items() if value})


def _record(row: Row[Any]) -> KeyRecord:
    return KeyRecord(
        id=row.key_id,
        tenant=row.tenant,
        user=row.owner,
        team=row.team,
        role=row.role,
        name=row.name,
        requests_per_minute=row.requests_per_minute,
        tokens_per_minute=row.tokens_per_minute,
        created=moment(row.created_us),
        expires=_moment(row.expires_us),
        revoked=_moment(row.revoked_us),
        last_used=None if row.last_used is None else date.fromisoformat(row.last_used),
    )


def _stored(row: Row[Any]) -> StoredKey:
    principal = Principal(
        tenant=row.tenant,
        role=row.role if row.user_role is None else lesser(row.role, row.user_role),
        key=row.key_id,
        user=row.owner,
        team=row.team or row.user_team,
        rates=Rates(row.requests_per_minute, row.tokens_per_minute),
    )
    previous = None if row.previous is None else bytes(row.previous)
    until = _moment(row.previous_until_us)
    return StoredKey(principal, bytes(row.digest), _moment(row.expires_us), previous, until, row.fingerprint)


def _moment(microseconds_since: int | None) -> datetime | None:
    return None if microseconds_since is None else moment(microseconds_since)
