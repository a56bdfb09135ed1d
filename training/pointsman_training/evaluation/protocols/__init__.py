"""Protocols: what a router is asked under, each a module here with one function `run(inputs, options)`.

A protocol is added by a line below and a module of its name (`leave-source-out` is in `leave_source_out`), whose `run`
returns a `ProtocolReport`. Only the module of the protocol that was asked for is imported.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pointsman.errors import InvalidInput

if TYPE_CHECKING:
    from pointsman_training.evaluation.protocols.protocol import Inputs, Options, ProtocolReport

IN_DISTRIBUTION: Final = "in-distribution"
"""The default: the report on one bundle, with its own recipe in `evaluation.evaluate`."""

_RETRAINS: Final = ("bundle", "tasks", "profile", "folds", "jobs", "cache", "draws")


@dataclass(frozen=True)
class Entry:
    """What a protocol answers, the options it reads beside --seed and --json, and those of them it can't do without."""

    answers: str
    options: tuple[str, ...]
    needs: tuple[str, ...] = ("outcomes", "prices")


PROTOCOLS: Final = {
    IN_DISTRIBUTION: Entry(
        "what a bundle is worth on outcomes of the kind it learned from, beside baselines",
        (
            "bundle",
            "models",
            "baseline",
            "pair",
            "split",
            "source",
            "profile",
            "draws",
            "html",
            "held_out_tasks",
            "tasks",
        ),
    ),
    "leave-source-out": Entry("how well a source is predicted that training never saw", (*_RETRAINS, "source", "pair")),
    "leave-task-out": Entry(
        "how well a kind of task is predicted and routed that training never saw in its source",
        (*_RETRAINS, "pair", "task_type", "everywhere"),
    ),
    "pair": Entry(
        "how well two models are told apart with labels on half the prompts (RouteLLM's case)",
        (*_RETRAINS, "source", "pair"),
    ),
    "learning-curve": Entry(
        "what 100, 1,000 and 10,000 labelled prompts teach, with and without other sources",
        (*_RETRAINS, "seeds", "sizes"),
    ),
    "seeds": Entry(
        "how much the figures change from one training to the next",
        ("bundle", "tasks", "held_out_tasks", "folds", "jobs", "cache", "seeds"),
    ),
    "cold-start": Entry(
        "how well a model left out is predicted after 0, 20, 50 and 200 of its scored prompts",
        ("bundle", "tasks", "profile", "source", "folds", "jobs", "cache", "strict"),
    ),
    "perturbation": Entry(
        "which decisions flip when texts are typed differently",
        ("bundle", "tasks", "held_out_tasks", "translations", "sample", "draws"),
        needs=(),
    ),
}


def runner(name: str) -> "Callable[[Inputs, Options], ProtocolReport]":
    """Return the function that runs a protocol.

    Raises:
        InvalidInput: there is no such protocol, or it is the default one.
    """
    if name not in PROTOCOLS or name == IN_DISTRIBUTION:
        others = ", ".join(known for known in PROTOCOLS if known != IN_DISTRIBUTION)
        raise InvalidInput(f"--protocol is {name!r}; expected one of {others}.", field="protocol")
    run: Callable[[Inputs, Options], ProtocolReport] = importlib.import_module(
        f"{__name__}.{name.replace('-', '_')}"
    ).run
    return run
