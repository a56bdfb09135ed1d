"""How an operation is documented: its body with examples, its reply, its refusals."""

from typing import Any, Final

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "Task": {
        "plain": {"description": "Fix the login bug"},
        "everything": {
            "text": "Write unit tests for the ISO date parser",
            "type": "testing",
            "budget": 0.05,
            "constraints": {"capabilities": ["tools"], "exclude": ["gpt-4o"], "min_quality": 0.1},
            "tags": {"team": "search", "user": "ada"},
            "id": "T-17",
        },
    },
    "BatchRequest": {
        "two tasks": {
            "tasks": [
                {"description": "Translate this sentence into French", "type": "translation", "id": "T-1"},
                {"description": "Design a sharded event store", "budget_usd": 0.5, "id": "T-2"},
            ]
        }
    },
    "Work": {
        "plain": {"description": "Fix the login bug"},
        "told how": {
            "description": "Summarise the thread below in two sentences: ...",
            "type": "summarization",
            "system": "You write for engineers.",
            "max_output_tokens": 200,
            "budget_usd": 0.01,
        },
    },
    "WorkBatch": {"two tasks": {"tasks": [{"description": "Say hello in French"}, {"description": "Prove the lemma"}]}},
    "CountRequest": {
        "a question": {"model": "auto", "messages": [{"role": "user", "content": "What is the capital of Peru?"}]}
    },
    "EvaluationRequest": {
        "one judge": {"text": "Paris is the capital of France.", "question": "What is the capital of France?"},
        "a council": {
            "script": "Tired of tangled cables? ...",
            "judges": ["gpt-4o", "gpt-4o-mini"],
            "method": "median",
            "decision_id": "1f0c7ee2-...",
        },
        "a rubric of one's own": {
            "text": "Dear customer, ...",
            "rubric": {"criteria": [{"name": "tone", "description": "Friendly, not servile."}]},
            "judges": 2,
        },
    },
    "Outcome": {
        "usage": {"decision_id": "1f0c7ee2-...", "input_tokens": 812, "output_tokens": 240, "quality": 0.9},
        "bill": {"decision_id": "1f0c7ee2-...", "cost_usd": 0.0031, "success": True, "latency_ms": 1840},
        "never sent": {"decision_id": "1f0c7ee2-...", "unbilled": "not_sent"},
    },
    "SeedRequest": {
        "a help page": {"seeds": [{"prompt": "How do I reset my password?", "answer": "Under Settings, Security."}]}
    },
    "BudgetRequest": {
        "a day": {"daily_usd": 25, "reason": "the launch"},
        "back to the file's": {"daily_usd": "default"},
    },
    "ExportRequest": {"a week as a table": {"format": "csv", "since": "7d"}},
    "ResetRequest": {"a new fleet": {"reason": "a new fleet"}},
    "KeyRequest": {
        "a person's": {"user": "ann", "name": "laptop", "requests_per_minute": 60},
        "a dashboard's": {"role": "read-only", "name": "dashboard", "expires_days": 90},
    },
    "RotationRequest": {"an hour to change over": {"overlap_s": 3600}},
    "UserRequest": {"a team": {"user": "ann", "team": "search", "role": "member"}},
    "PredictRequest": {
        "two texts": {
            "tasks": [
                {"id": "a", "text": "What is the capital of Peru?"},
                {"id": "b", "text": "Find the race condition in this queue", "type": "debugging"},
            ],
            "profile": "fast",
        }
    },
}
_REFUSALS: Final = {
    400: "The body isn't JSON (`invalid_json`).",
    402: "Models could do the task, but none within its budget (`budget_too_small`), or within a limit "
    "(`budget_exceeded`, `frozen_scope`).",
    401: "No key, or one that doesn't count (`unauthenticated`).",
    403: "The key's role doesn't reach that far (`forbidden`).",
    404: "A model that the bundle doesn't know (`unknown_model`), a decision that held no money "
    "(`unknown_hold`), or a key that the tenant doesn't have (`unknown_key`).",
    409: "The decision was settled with another bill, or voided (`hold_conflict`).",
    413: "The body is too large (`body_too_large`).",
    422: "The request can't be used (`invalid_task`, `invalid_input`, `invalid_budget`, `invalid_bill`), or no model "
    "can do it (`no_eligible_model`).",
    502: "The provider refused, failed or answered nonsense, and no fallback did better (`upstream`).",
    503: "The ledger can't be used (`ledger_unavailable`), or too many requests wait (`overloaded`); Retry-After says "
    "when to try again.",
}


def operation(reply: str | None, *, body: str | None = None, refusals: tuple[int, ...] = ()) -> dict[str, Any]:
    """Return the OpenAPI parts of an operation that answers with component `reply` (None: with plain text)."""
    content = {"text/plain": {"schema": {"type": "string"}}} if reply is None else _json(reply)
    responses = {"200": {"description": "The answer.", "content": content}}
    responses |= {
        str(status): {"description": _REFUSALS[status], "content": _json("ErrorReply")} for status in refusals
    }
    if body is None:
        return {"responses": responses}
    examples = {name: {"value": value} for name, value in EXAMPLES[body].items()}
    content = {"application/json": {**_json(body)["application/json"], "examples": examples}}
    return {"requestBody": {"required": True, "content": content}, "responses": responses}


def _json(component: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{component}"}}}
