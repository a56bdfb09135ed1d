"""The words of access: who asks, and how far that reaches."""

from typing import Final, Literal, get_args

import msgspec

AccessRole = Literal["admin", "member", "read-only"]
ACCESS_ROLES: Final[tuple[AccessRole, ...]] = get_args(AccessRole)


class Rates(msgspec.Struct, frozen=True):
    """How much a key may ask in a minute; None is no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


NO_LIMITS: Final = Rates()


class Principal(msgspec.Struct, frozen=True):
    """Who asks: the key that was shown, and whom it belongs to.

    `key` is the key's id, which is no secret; None where no key is asked for. What a caller says of itself never
    replaces `tenant`, `user`, `team` and `key`: they are who pays.
    """

    tenant: str = "default"
    role: AccessRole = "admin"
    key: str | None = None
    user: str | None = None
    team: str | None = None
    rates: Rates = NO_LIMITS

    def tags(self) -> dict[str, str]:
        """Return the payers that the key names."""
        named = {"user": self.user, "team": self.team, "key": self.key}
        return {kind: name for kind, name in named.items() if name}


ANONYMOUS: Final = Principal()
