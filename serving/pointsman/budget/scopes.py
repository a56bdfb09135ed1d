"""Whom money is counted for: a kind and a name, written "user:ann"."""

from typing import Final, Literal, get_args

import msgspec

from pointsman.errors import InvalidBudget

ScopeKind = Literal[
    "global", "tenant", "plan", "tier", "task_type", "team", "project", "agent", "user", "key", "request"
]
SCOPE_KINDS: Final[tuple[ScopeKind, ...]] = get_args(ScopeKind)
MAX_NAME_CHARACTERS: Final = 200
_NAMELESS: Final = ("global", "tenant")


class Scope(msgspec.Struct, frozen=True, order=True):
    """One payer. `global` is all that this ledger counts, of every tenant; every other scope is within its tenant.

    `tier` is a complexity of `types.COMPLEXITIES`; `request` is one request with all its attempts, named by its id.
    The kinds stand in `SCOPE_KINDS` from the widest to the narrowest. `global` and `tenant` have no name.
    """

    kind: ScopeKind
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse a kind or a name that can't be counted.

        Raises:
            InvalidBudget: no such kind; a name that is missing, too long, unprintable or not wanted.
        """
        if self.kind not in SCOPE_KINDS:
            raise InvalidBudget(f"scope kind is {self.kind!r:.80}; expected one of {', '.join(SCOPE_KINDS)}.")
        if self.kind in _NAMELESS:
            if self.name:
                raise InvalidBudget(f'scope "{self.kind}" takes no name; got {self.name!r:.80}. Write "{self.kind}".')
            return
        if not isinstance(self.name, str) or not self.name or self.name != self.name.strip():
            raise InvalidBudget(f'scope "{self.kind}" has the name {self.name!r:.80}; write "{self.kind}:<name>".')
        if len(self.name) > MAX_NAME_CHARACTERS or not self.name.isprintable():
            raise InvalidBudget(
                f"the name of scope {self.kind!r} is {self.name!r:.80}; "
                f"expected at most {MAX_NAME_CHARACTERS} printable characters."
            )

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind

    @property
    def narrowness(self) -> int:
        """The place of the kind in `SCOPE_KINDS`: a key is narrower than a team."""
        return SCOPE_KINDS.index(self.kind)


GLOBAL: Final = Scope("global")
TENANT: Final = Scope("tenant")


def parse_scope(text: str) -> Scope:
    """Return the scope of its canonical text; `str(scope)` is the way back. A name may contain colons.

    Raises:
        InvalidBudget: not "global", "tenant" or "<kind>:<name>".
    """
    if not isinstance(text, str):
        raise InvalidBudget(f'scope is {text!r:.80}; expected text such as "global" or "user:ann".')
    kind, _, name = text.partition(":")
    if kind not in SCOPE_KINDS or (":" in text and not name):
        raise InvalidBudget(
            f'scope is {text!r:.80}; expected "global", "tenant" or "<kind>:<name>" with a kind of '
            f"{', '.join(kind for kind in SCOPE_KINDS if kind not in _NAMELESS)}."
        )
    return Scope(kind, name)
