"""The same task, typed differently: pure functions text → text that leave the work asked for as it is.

Every function takes a random generator, also where it needs none, so that all are called alike. What is drawn depends
on the text and the generator only. Frames, padding and the list of spellings were written for this file.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

Change = Callable[[str, np.random.Generator], str]

TYPO_RATE: Final = 0.02
"""Share of letters mistyped: one in fifty, so about one word in ten."""

_ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS: Final = {
    letter: "".join(
        other
        for near in _ROWS[max(0, depth - 1) : depth + 2]
        for other in near[max(0, place - 1) : place + 2]
        if other != letter
    )
    for depth, row in enumerate(_ROWS)
    for place, letter in enumerate(row)
}
_SLIPS: Final = 4
"""The kinds of slip: a neighbouring key, a letter left out, one typed twice, two swapped."""

_FRAMES: Final = (
    "Could you please do the following: {}",
    "I need help with the following: {}",
    "Here is what I need: {}",
    "Task: {}",
    "I'd like you to take care of this. {}",
    "My request is as follows.\n\n{}",
    "{}\n\nThat is what I would like you to do.",
    "You are an assistant. The user asks:\n{}",
)
_GREETINGS: Final = (
    "Hi! ",
    "Hello there, I hope you're doing well. ",
    "Good morning, thank you for your time. ",
    "Hey, sorry to bother you. ",
    "Please, ",
)
_THANKS: Final = (
    " Thanks!",
    " Thank you very much in advance.",
    " Please and thank you.",
    " I'd really appreciate your help, cheers.",
    "\n\nBest regards,\nSam",
)
_BRITISH: Final = (
    "analyse analysed analysing artefact artefacts behaviour behaviours cancelled cancelling catalogue centre "
    "centred colour colours customise defence dialogue favourite fibre finalise grey honour initialise "
    "initialised judgement labelled labelling labour licence litre litres metre metres minimise maximise "
    "modelled modelling neighbour neighbours neighbouring normalise normalised optimisation optimise optimised "
    "optimising organisation organise parameterise prioritise programme recognise serialisation serialise "
    "summarise summarised summarising theatre tokenise travelled traveller travelling tyre visualise vapour "
)
_AMERICAN: Final = (
    "analyze analyzed analyzing artifact artifacts behavior behaviors canceled canceling catalog center "
    "centered color colors customize defense dialog favorite fiber finalize gray honor initialize initialized "
    "judgment labeled labeling labor license liter liters meter meters minimize maximize modeled modeling "
    "neighbor neighbors neighboring normalize normalized optimization optimize optimized optimizing "
    "organization organize parameterize prioritize program recognize serialization serialize summarize "
    "summarized summarizing theater tokenize traveled traveler traveling tire visualize vapor "
)
_OTHER_SPELLING: Final = dict(zip(f"{_BRITISH}{_AMERICAN}".split(), f"{_AMERICAN}{_BRITISH}".split(), strict=True))
_WORD: Final = re.compile(r"[^\W\d_]+")
_GAP: Final = re.compile(r"(?<=\S) (?=\S)")


@dataclass(frozen=True)
class Perturbation:
    """One way to type a task differently; `kind` puts similar ones together."""

    kind: str
    name: str
    change: Change


def typos(text: str, rng: np.random.Generator) -> str:
    """Return the text with `TYPO_RATE` of its ASCII letters mistyped as a hand on a QWERTY keyboard would."""
    letters = list(text)
    typed = []
    for place, slips in enumerate(rng.random(len(letters)) < TYPO_RATE):
        letter = letters[place]
        if not slips or letter.lower() not in _NEIGHBOURS:
            typed.append(letter)
            continue
        kind = rng.integers(_SLIPS)
        if kind == 0:
            near = _NEIGHBOURS[letter.lower()]
            slip = near[rng.integers(len(near))]
            typed.append(slip.upper() if letter.isupper() else slip)
        elif kind == 2:
            typed.append(letter * 2)
        elif kind == 3 and place + 1 < len(letters):
            typed.append(letters[place + 1])
            letters[place + 1] = letter
    return "".join(typed) if "".join(typed).strip() else text


def framed(text: str, rng: np.random.Generator) -> str:
    """Return the text inside one of `_FRAMES`."""
    return _FRAMES[rng.integers(len(_FRAMES))].replace("{}", text)


def greeted(text: str, rng: np.random.Generator) -> str:
    """Return the text after a polite opening."""
    return _GREETINGS[rng.integers(len(_GREETINGS))] + text


def thanked(text: str, rng: np.random.Generator) -> str:
    """Return the text before a polite close."""
    return text + _THANKS[rng.integers(len(_THANKS))]


def lower_case(text: str, rng: np.random.Generator) -> str:
    """Return the text in lower case."""
    return text.lower()


def upper_case(text: str, rng: np.random.Generator) -> str:
    """Return the text in capitals."""
    return text.upper()


def first_letters(text: str, rng: np.random.Generator) -> str:
    """Return the text with a capital at the start of every word, as in a headline."""
    return _WORD.sub(lambda word: word.group()[0].upper() + word.group()[1:], text)


def first_letter_lower(text: str, rng: np.random.Generator) -> str:
    """Return the text with its first letter in lower case, as typed in haste."""
    return text[:1].lower() + text[1:]


def without_last_mark(text: str, rng: np.random.Generator) -> str:
    """Return the text without the mark that ends it; a text that is nothing but marks stays."""
    return text.rstrip().rstrip(".?!…:") or text


def spaced(text: str, rng: np.random.Generator) -> str:
    """Return the text with a tenth of its single spaces doubled, and blanks around it."""
    doubled = _GAP.sub(lambda gap: "  " if rng.random() < 0.1 else " ", text)
    return f" {doubled} \n\n"


def wrapped(text: str, rng: np.random.Generator) -> str:
    """Return the text with its gaps outside code turned into line ends every 60 to 80 characters."""
    if "\n" in text:
        return text
    lines, line, width = [], "", int(rng.integers(60, 81))
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])


def marked_down(text: str, rng: np.random.Generator) -> str:
    """Return the text as markdown: under a heading, quoted, bold, or as a list item; only a heading over many lines."""
    forms = ["# Task\n\n{}", "### Request\n{}\n\n---"]
    if "\n" not in text:
        forms += ["> {}", "**{}**", "- {}"]
    return forms[rng.integers(len(forms))].replace("{}", text)


def respelled(text: str, rng: np.random.Generator) -> str:
    """Return the text with British spellings turned American, and the other way round."""
    return _WORD.sub(lambda word: _spelled(word.group()), text)


def _spelled(word: str) -> str:
    other = _OTHER_SPELLING.get(word.lower(), word)
    if other is word:
        return word
    return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other


PERTURBATIONS: Final = (
    Perturbation("typos", "keyboard typos", typos),
    Perturbation("paraphrase frame", "paraphrase frame", framed),
    Perturbation("padding", "polite opening", greeted),
    Perturbation("padding", "polite close", thanked),
    Perturbation("casing", "all lower case", lower_case),
    Perturbation("casing", "all capitals", upper_case),
    Perturbation("casing", "first letters capital", first_letters),
    Perturbation("casing", "first letter lower", first_letter_lower),
    Perturbation("white space and marks", "no final mark", without_last_mark),
    Perturbation("white space and marks", "extra white space", spaced),
    Perturbation("white space and marks", "line breaks", wrapped),
    Perturbation("white space and marks", "markdown", marked_down),
    Perturbation("spelling", "British or American spelling", respelled),
)


def perturbed(texts: tuple[str, ...], perturbation: Perturbation, seed: int) -> tuple[str, ...]:
    """Return every text changed; each has a generator of its own, so that it doesn't depend on the others."""
    generators = np.random.default_rng([seed, len(perturbation.name)]).spawn(len(texts))
    return tuple(perturbation.change(text, rng) for text, rng in zip(texts, generators, strict=True))
