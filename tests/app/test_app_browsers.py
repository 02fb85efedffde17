"""What a browser may do with an answer, and what its own protections are told."""

import pytest
from said import Said

OFFICE = "https://office.example"


@pytest.fixture
def paged(served):
    return served(http={"port": 0, "cors_origins": [OFFICE, "http://10.0.0.5:3000"]})


async def ask(box, method: str, path: str, origin: str | None, key: str | None = None) -> Said:
    headers = {} if origin is None else {"Origin": origin}
    async with box.session.request(
        method,
        f"http://{box.gateway.addresses[0]}{path}",
        headers={**headers, "Authorization": f"Bearer {key or box.key}"},
    ) as answer:
        return Said(answer.status, answer.headers, await answer.text())


@pytest.mark.parametrize(
    "path", ["/api-cells", "/functions/v1/api-jobs?id=x", "/api-nothing", "/healthz", "/plan-mode"]
)
async def test_an_origin_that_was_allowed_is_named_on_every_answer(paged, path):
    async with paged as box:
        for origin in (OFFICE, "http://10.0.0.5:3000"):
            said = await ask(box, "GET", path, origin)
            assert said.headers["Access-Control-Allow-Origin"] == origin
            assert "Origin" in said.headers["Vary"]
            assert "X-RateLimit-Remaining" in said.headers["Access-Control-Expose-Headers"]
            assert "Access-Control-Allow-Credentials" not in said.headers
        assert "Access-Control-Allow-Origin" in (await ask(box, "GET", path, OFFICE, key="wrong")).headers


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null", OFFICE + ".evil.example", OFFICE + ":444"])
async def test_any_other_is_not(paged, origin):
    async with paged as box:
        for method in ("GET", "OPTIONS"):
            assert "Access-Control-Allow-Origin" not in (await ask(box, method, "/api-cells", origin)).headers


@pytest.mark.parametrize("path", ["/api-cells", "/functions/v1/api-operation-lifecycle/start", "/healthz"])
async def test_a_preflight_allows_what_a_client_needs(paged, path):
    async with paged as box:
        said = await ask(box, "OPTIONS", path, OFFICE)
    assert (said.status, said.text) == (200, "ok")
    assert said.headers["Access-Control-Allow-Origin"] == OFFICE
    assert "PUT" in said.headers["Access-Control-Allow-Methods"]
    for name in ("authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "x-request-id"):
        assert name in said.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    "path", ["/livez", "/healthz", "/metrics", "/openapi.json", "/docs", "/api-cells", "/api-nothing"]
)
async def test_no_answer_is_guessed_at_framed_or_kept(box, path):
    said = await box.send("GET", path)
    assert said.headers["X-Content-Type-Options"] == "nosniff"
    assert said.headers["X-Frame-Options"] == "DENY"
    assert "Strict-Transport-Security" not in said.headers
    if path != "/docs":
        assert said.headers["Cache-Control"] == "no-store"
