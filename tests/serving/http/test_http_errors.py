import logging
import subprocess
import sys

import anyio
import msgspec
import pytest

from pointsman.http.bodies import MAX_BODY_BYTES

TOO_LARGE = {
    "error": {
        "code": "body_too_large",
        "message": "The body is larger than 32 MB; send fewer tasks in each request.",
        "field": None,
    }
}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The body is empty; expected JSON."),
        (b'{"text":', "The body ends too early, after byte 8, or has a broken text; expected JSON."),
        (b'{"text": x}', "The body isn't JSON: invalid character (byte 9)."),
        (b'{"text": "x"} y', "The body isn't JSON: trailing characters (byte 15)."),
        (b'{"text": "\xff"}', "The body isn't UTF-8: invalid start byte in a text; expected JSON in UTF-8."),
        (b"[" * 1_000_000, "The body is nested more than 64 deep; expected the JSON of a request."),
        (
            b'{"budget": NaN}',
            "The body has NaN or Infinity at byte 11, which isn't JSON; expected a finite number, or null.",
        ),
        (
            b'{"budget": Infinity}',
            "The body has NaN or Infinity at byte 11, which isn't JSON; expected a finite number, or null.",
        ),
        (
            b'{"budget": -Infinity}',
            "The body has NaN or Infinity at byte 12, which isn't JSON; expected a finite number, or null.",
        ),
        (b'{"budget": 1e999}', "The body isn't JSON: Number out of range - at `$[...]`."),
    ],
)
@pytest.mark.parametrize("path", ["/v1/route", "/route", "/v1/route/batch", "/v1/predict"])
def test_a_body_that_is_not_json_is_refused_with_its_position(post, path, body, message):
    response = post(path, content=body)
    assert response.status_code == 400
    assert response.json() == {"error": {"code": "invalid_json", "message": message, "field": None}}


def test_the_word_nan_inside_a_text_is_no_number(post):
    assert post("/v1/route", content=b'{"text": "NaN or Infinity?"}').status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "description"),
        ({"description": ""}, "description"),
        ({"text": "x", "budget": "5"}, "budget"),
        ({"text": "x", "budget_usd": -1}, "budget_usd"),
        ({"text": "x", "type": "gardening"}, "type"),
        ({"text": "x", "description": "y"}, "description"),
        ({"text": "x", "bugdet": 1}, "bugdet"),
        ({"text": "x", "constraints": {"min_quality": 2}}, "constraints.min_quality"),
        ([{"text": "x"}], None),
    ],
)
def test_a_task_that_cannot_be_used_is_refused_with_its_field(post, body, field):
    response = post("/v1/route", body)
    assert response.status_code == 422
    error = response.json()["error"]
    assert (set(error), error["code"], error["field"]) == ({"code", "message", "field"}, "invalid_task", field)


def test_a_path_and_a_method_that_do_not_exist_are_refused_in_the_same_shape(app, call):
    response = call(app, "GET", "/v1/nothing")
    assert response.status_code == 404
    message = "GET /v1/nothing: Not Found. The endpoints are listed at /docs."
    assert response.json() == {"error": {"code": "not_found", "message": message, "field": None}}
    response = call(app, "GET", "/v1/route")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    message = "GET /v1/route: Method Not Allowed. The endpoints are listed at /docs."
    assert response.json() == {"error": {"code": "method_not_allowed", "message": message, "field": None}}
    assert call(app, "POST", "/v1/route/").status_code == 404


class Upload:
    """A request body in parts, which counts how much of it was taken."""

    def __init__(self, parts, stated=None, is_cut=False):
        self.headers = [] if stated is None else [(b"content-length", str(stated).encode())]
        self.parts = list(parts)
        self.is_cut = is_cut
        self.taken = 0

    def send_to(self, app, path):
        sent = []

        async def receive():
            if not self.parts:
                return {"type": "http.disconnect"}
            part = self.parts.pop(0)
            self.taken += len(part)
            return {"type": "http.request", "body": part, "more_body": bool(self.parts) or self.is_cut}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": self.headers,
        }
        anyio.run(app, scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent)
        return sent[0]["status"], body


MEGABYTE = b" " * (1 << 20)


@pytest.mark.parametrize("path", ["/v1/route", "/v1/route/batch", "/v1/predict"])
def test_a_body_stated_to_be_too_large_is_refused_unread(app, path):
    upload = Upload([MEGABYTE] * 3, stated=MAX_BODY_BYTES + 1)
    status, body = upload.send_to(app, path)
    assert (status, body) == (413, msgspec.json.encode(TOO_LARGE))
    assert upload.taken == 0


@pytest.mark.parametrize("stated", [None, 10])
def test_a_body_that_grows_too_large_is_refused_as_soon_as_it_does(app, stated):
    upload = Upload([MEGABYTE] * 100, stated=stated)
    assert upload.send_to(app, "/v1/route") == (413, msgspec.json.encode(TOO_LARGE))
    assert upload.taken == MAX_BODY_BYTES + len(MEGABYTE)


def test_a_body_of_the_greatest_size_is_read(app):
    task = b'{"text": "x"}'
    filling = [MEGABYTE] * 31 + [MEGABYTE[len(task) :]]
    upload = Upload([task, *filling], stated=MAX_BODY_BYTES)
    assert upload.send_to(app, "/v1/route")[0] == 200
    assert upload.taken == MAX_BODY_BYTES


def test_a_body_that_breaks_off_is_no_failure_of_the_server(app, caplog):
    status, body = Upload([b'{"text": '], is_cut=True).send_to(app, "/v1/route")
    assert (status, b"broke off after byte 9" in body) == (400, True)
    assert not caplog.records


def test_an_unexpected_error_is_logged_and_leaks_nothing(post, router, monkeypatch, caplog):
    def broken(task):
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(router, "route", broken)
    with caplog.at_level(logging.ERROR, logger="pointsman.http"):
        response = post("/v1/route", {"text": "private words"})
    assert response.status_code == 500
    assert response.json() == {
        "error": {"code": "internal", "message": "The server failed unexpectedly; its log says why.", "field": None}
    }
    [record] = caplog.records
    assert record.getMessage() == "unexpected error in POST /v1/route"
    assert "secret of the house" in str(record.exc_info[1])
    assert "private words" not in caplog.text


def test_without_the_extra_the_server_names_the_install_that_fixes_it():
    program = """if True:
        import sys
        sys.modules["fastapi"] = None
        import pointsman
        from pointsman.errors import MissingExtra
        try:
            import pointsman.http
        except MissingExtra as error:
            print(error.message)
    """
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == 'The HTTP server needs the extra "serve". Install it with: pip install "pointsman[serve]"\n'


def test_the_package_itself_does_not_load_the_server():
    program = "import sys, pointsman, pointsman.task_json, pointsman.predictions; print('fastapi' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
