"""Evaluations: a text scored by a rubric, by one model or a council; the calls are requests like any other."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from pointsman.access import RateLimiter
from pointsman.errors import InvalidInput, InvalidTask
from pointsman.fleet_table import CHARACTERS_PER_TOKEN
from pointsman.gateway import Executor
from pointsman.gateway.evaluating import Evaluation, evaluate
from pointsman.http.bodies import decode, json_response, read_body
from pointsman.http.metering import metered
from pointsman.http.operations import operation
from pointsman.http.principals import principal_of
from pointsman.task_json import NAME, NAMES, TEXT, Kind, read_object
from pointsman.verification import GENERAL_RUBRIC, METHODS, SCRIPT_RUBRIC, Rubric
from pointsman.verification.council import MAX_JUDGES

RUBRICS: Final[Mapping[str, Rubric]] = {"general": GENERAL_RUBRIC, "script": SCRIPT_RUBRIC}
"""Rubrics that a request may name."""

_JUDGES: Final = Kind(
    "a list of models, or how many the router is to choose", lambda value: type(value) is int or NAMES.accepts(value)
)
_RUBRIC: Final = Kind(
    f"{', '.join(RUBRICS)}, or an object with criteria and scale", lambda value: isinstance(value, str | dict)
)
_METHOD: Final = Kind(f"one of {', '.join(METHODS)}", lambda value: value in METHODS)
_TAGS: Final = Kind(
    'an object of texts, such as {"project": "search"}',
    lambda value: isinstance(value, dict) and all(NAME.accepts(text) for text in value.values()),
)
_KINDS: Final[Mapping[str, Kind]] = {
    "text": TEXT,
    "script": TEXT,
    "question": TEXT,
    "rubric": _RUBRIC,
    "judges": _JUDGES,
    "method": _METHOD,
    "decision_id": NAME,
    "exclude": NAMES,
    "tags": _TAGS,
}


def evaluations_api(executor: Executor, limiter: RateLimiter) -> APIRouter:
    """Return the routes that judge; the limiter is told the tokens that they use."""
    api = APIRouter(tags=["evaluations"])
    documented = operation("Evaluated", body="EvaluationRequest", refusals=(400, 402, 404, 409, 413, 422, 502, 503))

    async def evaluated(request: Request, rubric: Rubric) -> Response:
        evaluation = evaluation_from_dict(decode(await read_body(request)), rubric)
        with metered(request, limiter, _expected(evaluation)) as spent:
            verdict = await evaluate(executor, evaluation, principal_of(request), spent)
        return json_response(msgspec.json.encode(verdict))

    @api.post("/v1/evaluate", openapi_extra=documented)
    async def evaluate_text(request: Request) -> Response:
        """Score a text by a rubric, by one model or by a council, and answer with the verdict and what it cost.

        `judges` are models, or how many the router is to choose (1). `rubric` is general, script, or your own;
        `script` in place of `text` means the script rubric. With `decision_id` the score is stored as an outcome of
        that decision, under the judges' names. A judge that fails is in `refused`; where all do, its error is answered.
        """
        return await evaluated(request, GENERAL_RUBRIC)

    @api.post("/v1/evaluate-script", include_in_schema=False)
    @api.post("/evaluate-script", name="evaluate_script", openapi_extra=documented)
    async def evaluate_script(request: Request) -> Response:
        """Score a script by the script rubric; all else is as in `/v1/evaluate`."""
        return await evaluated(request, SCRIPT_RUBRIC)

    return api


def evaluation_from_dict(data: object, rubric: Rubric = GENERAL_RUBRIC) -> Evaluation:
    """Return the evaluation of decoded JSON; `rubric` is that of texts that name none.

    Raises:
        InvalidInput: no text, two, an unknown field, or a value of another kind.
    """
    fields: dict[str, Any] = read_object(data, _KINDS)
    if ("text" in fields) == ("script" in fields):
        raise InvalidTask("expected either text or script: what is to be judged.", field="text")
    if "script" in fields:
        fields["text"], rubric = fields.pop("script"), SCRIPT_RUBRIC
    fields["rubric"] = _rubric(fields["rubric"]) if "rubric" in fields else rubric
    for name in ("judges", "exclude"):
        if isinstance(fields.get(name), list):
            fields[name] = tuple(fields[name])
    return Evaluation(**fields)


def _expected(evaluation: Evaluation) -> int:
    """Return the tokens that all judges together are expected to read."""
    judges = evaluation.judges if isinstance(evaluation.judges, int) else len(evaluation.judges)
    characters = len(evaluation.text) + len(evaluation.question or "")
    return min(max(0, judges), MAX_JUDGES) * characters // CHARACTERS_PER_TOKEN


def _rubric(given: object) -> Rubric:
    if isinstance(given, str):
        if given in RUBRICS:
            return RUBRICS[given]
        raise InvalidInput(f"rubric is {given!r:.80}; expected {_RUBRIC.expected}.", field="rubric")
    try:
        return msgspec.convert(given, Rubric)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, InvalidInput):
            cause = error.__cause__
            raise InvalidInput(cause.message, field=f"rubric.{cause.field}") from None
        raise InvalidInput(f"rubric: {error}.", field="rubric") from None
