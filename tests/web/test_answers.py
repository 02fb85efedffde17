"""Every answer says what is left of the limits, whatever it is."""

import pytest

from gateway.web import limits

LEFT = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api-cells", 200),
        ("HEAD", "/api-cells", 200),
        ("GET", "/api-cells?id=nothing", 404),
        ("GET", "/api-nothing", 404),
        ("GET", "/api-cells/sub/path", 404),
        ("QUERY", "/api-cells", 400),
        ("GET", "/api-operation-lifecycle/start", 405),
        ("POST", "/api-cells", 400),
        ("POST", "/api-cad-proxy", 501),
        ("GET", "/probe-stream", 200),
        ("GET", "/probe-broken", 500),
        ("GET", "/plan-mode", 200),
    ],
)
async def test_every_answer_says_what_is_left(api, method, path, status):
    said = await api.send(method, path)
    assert (said.status, LEFT - said.headers.keys()) == (status, set())
    assert said.headers["X-RateLimit-Limit"] == "6000"


@pytest.mark.parametrize("path", ["/api-cells", "/api-nothing", "/api-operation-lifecycle/start"])
async def test_also_to_somebody_without_a_key(api, path):
    said = await api.bare("GET", path)
    assert said.headers["X-RateLimit-Limit"] == str(limits.FAILED_PER_MINUTE)


async def test_looking_for_functions_that_are_not_there_is_counted(api):
    left = [int((await api.send("GET", "/api-nothing")).headers["X-RateLimit-Remaining"]) for _ in range(2)]
    assert left[1] < left[0]
