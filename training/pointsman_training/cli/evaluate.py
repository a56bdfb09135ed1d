"""`pointsman evaluate`: what a bundle, or the training behind it, is worth on outcomes, beside baselines."""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from pointsman.cli.files import check_output, write_whole
from pointsman.cli.options import bundle_path, names
from pointsman.errors import InvalidInput
from pointsman.json_lines import STANDARD
from pointsman_training.evaluation.protocols import IN_DISTRIBUTION, PROTOCOLS, Entry, runner

_DEFAULTS: Final[dict[str, Any]] = {
    "split": "dev", "profile": "deep", "folds": 2, "seeds": 3, "sizes": (100, 1_000, 10_000),
    "everywhere": False, "strict": False, "tasks": (), "held_out_tasks": (), "outcomes": (), "translations": (),
    "sample": 500,
}  # fmt: skip
_LEAST: Final = {"seed": 0, "sample": 2, "folds": 2, "seeds": 1, "jobs": 1}
_PASSED: Final = ("profile", "source", "task_type", "pair", "everywhere", "strict", "seeds", "sizes", "draws", "sample")
"""Options of the command line that protocols read under the same name."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure a bundle on outcomes, beside baselines",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="protocols:\n" + "".join(f"  {name}: {entry.answers}\n" for name, entry in PROTOCOLS.items()),
    )
    add = parser.add_argument
    add("--protocol", default=IN_DISTRIBUTION, choices=tuple(PROTOCOLS), metavar="NAME", help="default: %(default)s")
    add("--bundle", metavar="DIR", help="the bundle (default: the one that comes along); trainings take its encoder")
    add("--outcomes", nargs="+", metavar="FILE_OR_DIR", help="parquet files of outcomes")
    add("--prices", metavar="CSV", help="model, input_usd_per_mtok, output_usd_per_mtok")
    add("--models", type=names, metavar="A,B", help="the fleet (default: the default fleet's models)")
    add("--baseline", metavar="MODEL", help="what costs are relative to (default: the best single model)")
    add("--pair", type=names, metavar="STRONG,WEAK", help="default: the baseline against the cheapest, or RouteLLM's")
    add("--split", choices=("dev", "train", "all"), help=f"default: {_DEFAULTS['split']}")
    add("--source", metavar="SOURCE", help="default: the bundle's main source, or every source")
    add("--profile", choices=("fast", "deep"), help=f"default: {_DEFAULTS['profile']}")
    add("--draws", type=int, metavar="N", help="of the bootstrap, 2000 or more (default: 2000)")
    add("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    add("--json", metavar="FILE", help='write the report as JSON; "-" is standard output')
    add("--html", metavar="FILE", help="write the report as one page with figures (in-distribution only)")
    _add_training_options(parser.add_argument_group("protocols"))


def _add_training_options(group: "argparse._ArgumentGroup") -> None:
    add = group.add_argument
    add("--tasks", nargs="+", metavar="FILE_OR_DIR", help="JSONL files of labelled tasks, learned from or perturbed")
    add("--held-out-tasks", nargs="+", metavar="FILE_OR_DIR", help="measured on, never learned")
    add("--translations", nargs="+", metavar="FILE", help="JSONL files of translations of these tasks")
    add("--sample", type=int, metavar="N", help=f"texts of each kind to perturb (default: {_DEFAULTS['sample']})")
    add("--task-type", metavar="KIND", help="hold out this kind of task only")
    add("--everywhere", action="store_true", default=None, help="hold it out of all sources")
    add("--strict", action="store_true", default=None, help="train again without each model that is left out")
    add("--seeds", type=int, metavar="N", help=f"trainings to average (default: {_DEFAULTS['seeds']})")
    add("--sizes", type=sizes, metavar="A,B", help="numbers of labelled prompts (default: 100,1000,10000)")
    add("--folds", type=int, metavar="N", help=f"cross-validation folds of a training (default: {_DEFAULTS['folds']})")
    add("--jobs", type=int, metavar="N", help="processes (default: all cores)")
    add("--cache", metavar="DIR", help="keep embeddings of texts here")


def sizes(text: str) -> tuple[int, ...]:
    """Return the numbers of a list such as `100,1000`, for argparse.

    Raises:
        ArgumentTypeError: one isn't a number above 0.
    """
    parts = names(text)
    if wrong := [part for part in parts if not (part.isdecimal() and int(part))]:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r} is no number of prompts; expected such as 100,1000")
    return tuple(map(int, parts))


def run(args: argparse.Namespace) -> int:
    """Print the report, write the files that were asked for, and return 0."""
    from pointsman_training.evaluation.bootstrap import FEWEST_DRAWS

    _check_options(args, PROTOCOLS[args.protocol])
    for name, default in (_DEFAULTS | {"draws": FEWEST_DRAWS}).items():
        if getattr(args, name) is None:
            setattr(args, name, default)
    _check_values(args, _LEAST | {"draws": FEWEST_DRAWS})
    outputs = [path for path in (args.json, args.html) if path]
    if outputs.count(STANDARD) > 1:
        raise InvalidInput("--json and --html can't both go to standard output; name a file for one of them.")
    for path in outputs:
        check_output(path)
    console = Console(stderr=STANDARD in outputs)
    report = _in_distribution(args, console) if args.protocol == IN_DISTRIBUTION else _protocol(args, console)
    if args.json:
        write_whole(args.json, [report])
    return 0


def _check_options(args: argparse.Namespace, entry: Entry) -> None:
    """Refuse options that the protocol doesn't read, and the lack of one that it needs."""
    read = {"protocol", "outcomes", "prices", "seed", "json", *entry.options}
    unread = [name for name, value in vars(args).items() if value is not None and name not in read and name != "verb"]
    if unread:
        raise InvalidInput(
            f"--{unread[0].replace('_', '-')} says nothing to --protocol {args.protocol}; it reads "
            f"{', '.join('--' + name.replace('_', '-') for name in sorted(read))}.",
            field=unread[0],
        )
    for name in entry.needs:
        if not getattr(args, name):
            raise InvalidInput(f"--protocol {args.protocol} needs --{name.replace('_', '-')}.", field=name)


def _check_values(args: argparse.Namespace, least: Mapping[str, int]) -> None:
    for name, bound in least.items():
        value = getattr(args, name)
        if value is not None and value < bound:
            raise InvalidInput(f"--{name} is {value:,}; expected at least {bound:,}.", field=name)
    if args.pair and len(args.pair) != 2:
        raise InvalidInput(f"--pair names {len(args.pair)} models; expected two, the strong and the weak: STRONG,WEAK.")


def _in_distribution(args: argparse.Namespace, console: Console) -> bytes:
    from pointsman_training.evaluation.evaluate import Choice, Inputs, evaluate
    from pointsman_training.evaluation.render import page_of, print_report

    report = evaluate(
        Inputs(bundle_path(args.bundle), args.outcomes, args.prices, args.held_out_tasks, args.tasks),
        Choice(args.models, args.baseline, args.pair, args.source, args.split, args.profile),
        args.draws,
        args.seed,
    )
    if args.html:
        write_whole(args.html, [page_of(report)])
    print_report(report, console)
    return report.to_json()


def _protocol(args: argparse.Namespace, console: Console) -> bytes:
    from pointsman_training.evaluation.protocols.protocol import Inputs, Options
    from pointsman_training.evaluation.render import print_protocol
    from pointsman_training.pipeline import Run

    inputs = Inputs(
        args.outcomes, args.prices, args.tasks, args.held_out_tasks, bundle_path(args.bundle), args.translations
    )
    how = Run(seed=args.seed, folds=args.folds, cache=Path(args.cache) if args.cache else None)
    options = Options(
        run=how if args.jobs is None else replace(how, jobs=args.jobs),
        progress=lambda line: Console(stderr=True).print(line, highlight=False, markup=False),
        **{name: getattr(args, name) for name in _PASSED},
    )
    report = runner(args.protocol)(inputs, options)
    print_protocol(report, console)
    return report.to_json()
