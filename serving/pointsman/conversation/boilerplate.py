"""What harnesses put around what people write, as declared rules, and how a text is freed of it.

A rule holds names and openings, not regular expressions, so that a rule of a deployment's own can't make a text slow to
read: every text is read in time proportional to its length. The built-in rules were written from the formats of the
harnesses they name; a format changes when its harness does, and `Boilerplate.plus` takes what is missing here.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from pointsman.errors import InvalidConfig

Kind = Literal["block", "wrapper", "tags", "opening", "heading", "line", "until", "rest"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_TAG_KINDS: Final = ("block", "wrapper", "tags")
_TAG_NAME: Final = re.compile(r"[A-Za-z][\w.:-]{0,62}\*?")
_TAG: Final = re.compile(r"<(/?)([A-Za-z][\w.:-]{0,63})(?:\s[^<>]{0,1000})?>")
_PART: Final = "\x1e"
"""What parts are joined by while tags are paired: ASCII's record separator, which splits a part that has one."""
_LONGEST_LITERAL: Final = 200
_WILDCARD: Final = r"[^\n]{0,200}?"


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that a harness writes.

    What `names` are depends on the kind:

    - "block": tags that are taken off with all they hold (`name*` is every tag that begins so);
    - "wrapper": tags that hold what a person wrote: where there is one, nothing outside counts;
    - "tags": tags that are taken off, while what they hold stays;
    - "opening": a part of a message that begins so is the harness's altogether;
    - "heading": so is such a part, and where it is nothing but a line, the part after it too;
    - "line": a line that begins so is taken off;
    - "until": everything up to the end of a line that begins so is taken off;
    - "rest": everything from a line that begins so is taken off.

    Tags are told apart without case. In openings and lines, `*` is anything within the line. A rule with `beside` acts
    only in a turn that has that tag too: `<task>` is Cline's only beside `<environment_details>`.
    """

    name: str
    kind: Kind
    names: tuple[str, ...]
    beside: str | None = None

    def __post_init__(self) -> None:
        """Refuse a rule that would match nothing, or everything.

        Raises:
            InvalidConfig: an unknown kind, no names, a name that is no tag, or a literal that is empty or too long.
        """
        if self.kind not in KINDS:
            raise self._refusal("kind", f"has kind {self.kind!r:.80}; expected one of {', '.join(KINDS)}.")
        if not self.names:
            raise self._refusal("names", "has no names; expected at least one.")
        for name in self.names:
            if not name.strip(" *\n") or len(name) > _LONGEST_LITERAL:
                expected = f"expected 1 to {_LONGEST_LITERAL} characters that aren't all blank or *."
                raise self._refusal("names", f"has the text {name!r:.80}; {expected}")
        tags = self.names if self.kind in _TAG_KINDS else ()
        for name in (*tags, *([self.beside] if self.beside is not None else [])):
            if not _TAG_NAME.fullmatch(name):
                expected = 'expected a name such as "environment_details", without brackets; a "*" may end it.'
                raise self._refusal("names", f"names the tag {name!r:.80}; {expected}")

    def _refusal(self, field: str, what: str) -> InvalidConfig:
        return InvalidConfig(f"The conversation rule {self.name!r:.80} {what}", field=field)

    def covers(self, tag: str) -> bool:
        """Return whether the rule names this tag, given in lower case."""
        return any(
            tag.startswith(name[:-1].lower()) if name.endswith("*") else tag == name.lower() for name in self.names
        )


def rules_from(data: object) -> tuple[Rule, ...]:
    """Return the rules of a configuration: a list of {"name", "kind", "names", "beside"?}.

    Raises:
        InvalidConfig: not such a list, or a rule that can't be used; the message says which.
    """
    try:
        return msgspec.convert(data, tuple[Rule, ...], strict=True)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, InvalidConfig):
            raise error.__cause__ from None
        found = str(error).replace("`$[", "`rules[")
        raise InvalidConfig(
            f"conversation.rules can't be used: {found}. Expected a list of rules, each with name, kind "
            f"({', '.join(KINDS)}) and names (a list of texts).",
            field="conversation.rules",
        ) from None


class Stripped(msgspec.Struct, frozen=True):
    """What is left of a text, and the names of the rules that took something off, in the order of the rules."""

    text: str
    rules: tuple[str, ...]


class _Element(NamedTuple):
    """A closed tag: where its opening tag starts and ends, and its closing tag."""

    start: int
    after: int
    before: int
    end: int
    tag: str


class Boilerplate:
    """Rules compiled once; a value: `plus` gives another."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Compile the rules.

        Raises:
            InvalidConfig: two rules have one name.
        """
        self.rules: Final = tuple(rules)
        repeated = [name for name, count in Counter(rule.name for rule in self.rules).items() if count > 1]
        if repeated:
            raise InvalidConfig(f"Two conversation rules are named {repeated[0]!r}; name each its own.", field="name")
        self._tag_rules = [rule for rule in self.rules if rule.kind in _TAG_KINDS]
        tags = [name for rule in self._tag_rules for name in rule.names]
        known = [name.lower() for name in (*tags, *(rule.beside for rule in self.rules if rule.beside))]
        self._tags = frozenset(name for name in known if not name.endswith("*"))
        self._tag_starts = tuple(name[:-1] for name in known if name.endswith("*"))
        self._openings = [(rule, _literals(rule.names)) for rule in self.rules if rule.kind in ("opening", "heading")]
        self._cuts = [
            (rule, re.compile(rf"^[ \t]*(?:{_literals(rule.names).pattern})", re.MULTILINE | re.IGNORECASE))
            for rule in self.rules
            if rule.kind in ("line", "until", "rest")
        ]

    def plus(self, rules: Iterable[Rule]) -> "Boilerplate":
        """Return these rules and more; a rule with the name of one of these replaces it."""
        added = tuple(rules)
        replaced = {rule.name for rule in added}
        return Boilerplate([*(rule for rule in self.rules if rule.name not in replaced), *added])

    def stripped(self, *parts: str) -> Stripped:
        """Return what a person wrote of the text parts of a message: empty where all of it is the harness's.

        Tags are paired across parts. One that is never closed, or that stands right after a backtick, is read as a
        mention and stays.
        """
        used: list[str] = []
        text = _PART.join(parts)
        if "<" in text:
            text = self._without_tags(text, used)
        kept, is_headed = [], False
        for part in text.split(_PART):
            opening = None if is_headed else self._opening(part)
            if opening is None and not is_headed:
                kept.append(self._cut(part, used))
            if opening is not None:
                used.append(opening.name)
            is_headed = opening is not None and opening.kind == "heading" and "\n" not in part.strip()
        if len(kept) == 1 and not used:
            return Stripped(kept[0], ())
        said = "\n\n".join(part.strip() for part in kept if part.strip())
        return Stripped(said, tuple(dict.fromkeys(used)))

    def _opening(self, part: str) -> Rule | None:
        start = part.lstrip()
        return next((rule for rule, opening in self._openings if opening.match(start)), None)

    def _cut(self, part: str, used: list[str]) -> str:
        for rule, pattern in self._cuts:
            shorter = _cut(part, pattern, rule.kind)
            if shorter is not None:
                used.append(rule.name)
                part = shorter
        return part

    def _without_tags(self, text: str, used: list[str]) -> str:
        elements = self._elements(text)
        present = {element.tag for element in elements}
        spans: list[tuple[int, int]] = []
        said: list[_Element] = []
        for rule in self._tag_rules if elements else ():
            if rule.beside and rule.beside.lower() not in present:
                continue
            mine = [element for element in elements if rule.covers(element.tag)]
            if not mine:
                continue
            used.append(rule.name)
            if rule.kind == "wrapper":
                said += mine
            elif rule.kind == "block":
                spans += [(element.start, element.end) for element in mine]
            else:
                spans += [(element.start, element.after) for element in mine]
                spans += [(element.before, element.end) for element in mine]
        if said:
            spans += _outside([(element.after, element.before) for element in said], len(text))
        return _without(text, spans)

    def _knows(self, tag: str) -> bool:
        return tag in self._tags or (bool(self._tag_starts) and tag.startswith(self._tag_starts))

    def _elements(self, text: str) -> list[_Element]:
        opened: dict[str, list[tuple[int, int]]] = {}
        elements = []
        for tag in _TAG.finditer(text):
            name = tag.group(2).lower()
            if not self._knows(name) or text[tag.start() - 1 : tag.start()] == "`":
                continue
            if not tag.group(1):
                opened.setdefault(name, []).append(tag.span())
            elif opened.get(name):
                elements.append(_Element(*opened[name].pop(), *tag.span(), name))
        return elements


def _literals(names: Iterable[str]) -> re.Pattern[str]:
    each = [_WILDCARD.join(re.escape(part) for part in name.split("*")) for name in names]
    return re.compile("|".join(each), re.IGNORECASE)


def _outside(spans: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """Return what lies between, before and after spans."""
    outside, at = [], 0
    for start, end in sorted(spans):
        if start > at:
            outside.append((at, start))
        at = max(at, end)
    return [*outside, (at, length)]


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """Return a text without these spans, which may overlap."""
    kept, at = [], 0
    for start, end in sorted(spans):
        if start > at:
            kept.append(text[at:start])
        at = max(at, end)
    return "\n".join([*kept, text[at:]]) if spans else text


def _cut(text: str, pattern: re.Pattern[str], kind: Kind) -> str | None:
    found = pattern.search(text)
    if not found:
        return None
    if kind == "rest":
        return text[: found.start()]
    if kind == "until":
        return text[_line_end(text, found.end()) :]
    kept, at = [], 0
    while found:
        kept.append(text[at : found.start()])
        at = _line_end(text, found.end())
        found = pattern.search(text, at)
    return "".join([*kept, text[at:]])


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1
