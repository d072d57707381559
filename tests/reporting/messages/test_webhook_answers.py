"""Specifies what each answer of a webhook means."""

import json

import pytest

from crypto_kedro.reporting.messages.answers import Answer, Delivered, Gone, Later, Refused, judge


@pytest.mark.parametrize(
    ("status", "headers", "text", "answer"),
    [
        (204, {}, "", Delivered()),
        (200, {"X-RateLimit-Remaining": "1", "X-RateLimit-Reset-After": "1.5"}, "{}", Delivered()),
        (200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset-after": "1.5"}, "{}", Delivered(1.5)),
        (200, {"X-RateLimit-Remaining": "0"}, "{}", Delivered()),
        (429, {"Retry-After": "65"}, '{"message": "slow", "retry_after": 64.57}', Later("HTTP 429, slow", 64.57)),
        (429, {"Retry-After": "65"}, "<html>", Later("HTTP 429", 65.0)),
        (429, {}, "error code: 1015", Later("HTTP 429", None)),
        (429, {}, json.dumps({"retry_after": "soon"}), Later("HTTP 429", None)),
        (429, {}, json.dumps({"retry_after": -1}), Later("HTTP 429", None)),
        (429, {}, '{"retry_after": NaN}', Later("HTTP 429", None)),
        (401, {}, '{"message": "Invalid Webhook Token", "code": 50027}', Gone("HTTP 401, Invalid Webhook Token")),
        (404, {}, "", Gone("HTTP 404")),
        (403, {}, json.dumps({"message": "Missing Access", "code": 50001}), Gone("HTTP 403, Missing Access")),
        (403, {}, "<html>", Later("HTTP 403")),
        (500, {}, "", Later("HTTP 500")),
        (503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "", Later("HTTP 503")),
        (400, {}, json.dumps({"message": "Invalid Form Body", "code": 50035}), Refused("HTTP 400, Invalid Form Body")),
        (413, {}, "[]", Refused("HTTP 413")),
        (302, {"Location": "https://example.com"}, "", Refused("HTTP 302")),
    ],
)  # fmt: skip
def test_an_answer_means(status: int, headers: dict[str, str], text: str, answer: Answer) -> None:
    assert judge(status, headers, text) == answer
