"""A conversation in parts that can be left out: exchanges, each a user's turn and the steps that answer it."""

from collections.abc import Sequence
from typing import Final

import msgspec

from pointsman.chat import Turn

_NONE: Final[tuple[int, ...]] = ()


class Exchange(msgspec.Struct, frozen=True):
    """A user's turn with the last step that answers it (`head`), and what else belongs to them (`steps`).

    All are indices of turns. A step is left out whole, and needs the head; the head may stay alone.
    """

    head: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...]


def exchanges(turns: Sequence[Turn]) -> list[Exchange]:
    """Return the exchanges of a conversation in order, system turns apart.

    A call and its answers are in one step, whatever stands between them; a user's turn among those opens no exchange.
    What comes before the first user's turn is an exchange by itself.
    """
    atoms = _atoms(turns)
    groups: list[list[list[int]]] = []
    for atom in atoms:
        opens = turns[atom[0]].role == "user"
        follows_user = bool(groups) and len(groups[-1][-1]) == 1 and turns[groups[-1][-1][0]].role == "user"
        if not groups or (opens and not follows_user):
            groups.append([])
        groups[-1].append(atom)
    return [_exchange(turns, group) for group in groups]


def _exchange(turns: Sequence[Turn], atoms: list[list[int]]) -> Exchange:
    """Return the exchange of atoms: any number of user's turns, the last of which is asked, then steps."""
    asked = next((n for n in range(len(atoms) - 1, -1, -1) if turns[atoms[n][0]].role == "user"), 0)
    chosen = sorted({asked, len(atoms) - 1})
    head = tuple(index for n in chosen for index in atoms[n])
    return Exchange(head, tuple(tuple(atom) for n, atom in enumerate(atoms) if n not in chosen))


def _atoms(turns: Sequence[Turn]) -> list[list[int]]:
    """Return what can't be parted: single turns, and calls with everything up to their last answer."""
    atoms: list[list[int]] = []
    caller: dict[str, int] = {}
    for index, turn in enumerate(turns):
        if turn.role == "system":
            continue
        atoms.append([index])
        first = min((caller[answer] for answer in turn.answers if answer in caller), default=index)
        if turn.role == "tool" and first == index and len(atoms) > 1:
            first = atoms[-2][0]
        while len(atoms) > 1 and atoms[-1][0] > first:
            tail = atoms.pop()
            atoms[-1] += tail
        for call in turn.calls:
            caller[call] = index
    return atoms
