import json

import pytest

from pointsman.chat import error_body
from pointsman.errors import (
    BudgetExceeded,
    Forbidden,
    InvalidChat,
    LedgerUnavailable,
    Overloaded,
    PointsmanError,
    RateLimited,
    Unauthenticated,
    UnknownModel,
    UpstreamError,
    UpstreamTimeout,
)


@pytest.mark.parametrize(
    ("error", "openai_type", "anthropic_type"),
    [
        (InvalidChat, "invalid_request_error", "invalid_request_error"),
        (Unauthenticated, "authentication_error", "authentication_error"),
        (BudgetExceeded, "insufficient_quota", "billing_error"),
        (Forbidden, "permission_error", "permission_error"),
        (UnknownModel, "not_found_error", "not_found_error"),
        (RateLimited, "rate_limit_error", "rate_limit_error"),
        (Overloaded, "server_error", "overloaded_error"),
        (LedgerUnavailable, "server_error", "overloaded_error"),
        (UpstreamError, "server_error", "api_error"),
        (UpstreamTimeout, "server_error", "timeout_error"),
        (PointsmanError, "server_error", "api_error"),
    ],
)
def test_an_error_has_the_shape_and_type_of_the_callers_protocol(error, openai_type, anthropic_type):
    raised = error("What came; what next.", field="messages[2]")
    assert json.loads(error_body("openai", raised)) == {
        "error": {
            "message": "What came; what next.",
            "type": openai_type,
            "param": "messages[2]",
            "code": error.code,
        }
    }
    assert json.loads(error_body("anthropic", raised)) == {
        "type": "error",
        "error": {"type": anthropic_type, "message": "What came; what next."},
    }
