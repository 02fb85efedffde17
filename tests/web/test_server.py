"""One way through for every request: ids, methods, sizes, envelopes; whatever comes, the next caller is served."""

import asyncio
import gzip
import io
import re

import aiohttp
import pytest
import structlog

from gateway.web import incoming, server

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


# ------------------------------------------------------------------ where


@pytest.mark.parametrize("path", ["/api-cells", "/api-cells/", "/functions/v1/api-cells", "/functions/v1/api-cells/"])
async def test_every_function_is_served_with_and_without_base_path_and_slash(api, path):
    assert (await api.send("GET", path)).data["cells"] == []


@pytest.mark.parametrize(
    "path", ["/api-nothing", "/functions/v1/api-nothing", "/api-jobs/anything", "/functions/v1", "/"]
)
async def test_an_unknown_function_or_sub_path_is_404_in_the_envelope(api, path):
    said = await api.send("GET", path)
    assert (said.status, said.error["code"], said.error["statusCode"]) == (404, "NOT_FOUND", 404)


async def test_a_path_cannot_climb_out(api):
    assert b" 404 " in await api.wire(b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n")


# ------------------------------------------------------------------ methods


@pytest.mark.parametrize("method", ["QUERY", "TRACE", "LINK", "COPY"])
async def test_an_unknown_method_is_a_bad_request_on_a_table(api, method):
    said = await api.send(method, "/api-cells")
    assert (said.status, said.error["code"], said.error["message"]) == (
        400,
        "BAD_REQUEST",
        f"Method {method} not allowed",
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api-operation-lifecycle/start"),
        ("DELETE", "/api-operation-lifecycle/start"),
        ("GET", "/api-job-lifecycle/start"),
        ("POST", "/api-materials"),
        ("DELETE", "/api-materials"),
    ],
)
async def test_it_is_a_method_that_is_not_allowed_on_a_lifecycle_and_on_materials(api, method, path):
    said = await api.send(method, path)
    assert (said.status, said.error["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert method in said.error["message"]


async def test_head_is_get_without_a_body(cells):
    said = await cells.send("HEAD", "/api-cells")
    assert (said.status, said.text) == (200, "")
    assert said.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", ["/api-jobs", "/functions/v1/api-operation-lifecycle/start"])
@pytest.mark.parametrize("origin", ["http://localhost:8080", "https://shop.example"])
async def test_options_is_200_ok_for_everybody_and_allows_no_origin(api, path, origin):
    said = await api.bare("OPTIONS", path, {"Origin": origin, "Access-Control-Request-Method": "POST"})
    assert (said.status, said.text) == (200, "ok")
    assert "Access-Control-Allow-Origin" not in said.headers
    assert "idempotency-key" in said.headers["Access-Control-Allow-Headers"]


# ------------------------------------------------------------------ request ids


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "HEAD"])
async def test_a_request_id_is_echoed(api, method):
    said = await api.send(method, "/api-cells", headers={"X-Request-Id": "rig-req:0001_a.b"})
    assert said.headers["X-Request-Id"] == "rig-req:0001_a.b"


@pytest.mark.parametrize("sent", ["bad id with spaces!", "", "x" * 201, "ä", '"><script>'])
async def test_one_that_is_none_is_replaced(api, sent):
    said = await api.send("GET", "/api-cells", headers={"X-Request-Id": sent})
    assert UUID.fullmatch(said.headers["X-Request-Id"])


@pytest.mark.parametrize("path", ["/api-jobs?id=nothing", "/api-nothing", "/probe-broken"])
async def test_an_error_carries_it_in_header_and_envelope(api, path):
    said = await api.send("GET", path, headers={"X-Request-Id": "rig-req-0002"})
    assert (said.headers["X-Request-Id"], said.error["request_id"]) == ("rig-req-0002", "rig-req-0002")


async def test_the_same_request_id_twice_is_two_requests(api):
    for name in ("One", "Two"):
        said = await api.send("POST", "/api-cells", {"name": name}, headers={"X-Request-Id": "same"})
        assert said.data["cell"]["name"] == name


# ------------------------------------------------------------------ errors


async def test_a_defect_of_ours_is_500_and_tells_nothing_about_itself(api):
    said = await api.send("GET", "/probe-broken")
    assert (said.status, said.error["code"]) == (500, "INTERNAL_ERROR")
    assert "recipe" not in said.text


async def test_a_refusal_has_the_whole_envelope(api):
    said = await api.send("GET", f"/api-jobs?id={api.NOWHERE}")
    assert said.status == 404
    assert said.error == {
        "code": "NOT_FOUND",
        "message": f"jobs with ID {api.NOWHERE} not found",
        "statusCode": 404,
        "request_id": said.headers["X-Request-Id"],
    }


@pytest.mark.parametrize("path", ["/api-cells", "/api-jobs?id=nothing", "/api-nothing"])
async def test_every_answer_is_json_that_nobody_may_keep_guess_or_frame(api, path):
    headers = (await api.send("GET", path)).headers
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"


# ------------------------------------------------------------------ bodies


@pytest.mark.parametrize(
    "raw",
    [b"", b"{bad", b'{"name":NaN}', b'{"name":"a","name":"b"}', b'{"name":"\xff"}', b'{"a":' * 40 + b"1" + b"}" * 40],
)
async def test_what_is_not_strict_json_is_400_and_nothing_happened(api, raw):
    said = await api.send("POST", "/api-cells", raw=raw)
    assert (said.status, said.error["code"]) == (400, "BAD_REQUEST")
    assert await api.count("cells") == 0


async def test_an_unknown_field_is_422_and_named(api):
    said = await api.send("POST", "/api-cells", {"name": "Laser", "colour": "red"})
    assert (said.status, said.error["code"]) == (422, "VALIDATION_ERROR")
    assert said.error["details"][0] == {
        "field": "colour",
        "message": "Unknown field, or one that cannot be set here: colour",
        "constraint": "UNKNOWN_FIELD",
        "value": "red",
        "entityType": "cell",
        "entityIndex": 0,
    }


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"x"', b"7", b"true"])
async def test_a_body_that_is_no_object_is_422(api, raw):
    assert (await api.send("POST", "/api-cells", raw=raw)).status == 422


async def test_the_content_type_is_not_asked_for(api):
    said = await api.send("POST", "/api-cells", {"name": "Laser"}, headers={"Content-Type": "text/plain"})
    assert said.status == 201


async def test_a_body_that_says_it_is_too_large_is_413_before_it_comes(api):
    head = f"POST /api-jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\nContent-Length: 10485761\r\n\r\n"
    assert b" 413 " in await api.wire(head.encode())


async def test_a_body_that_does_not_say_how_large_it_is_is_413_as_soon_as_it_is(api):
    async def grow():
        for _ in range(11):
            yield b" " * 10

    answer = await api.session.post(
        f"http://127.0.0.1:{api.port}/probe-small", data=grow(), headers={"Authorization": f"Bearer {api.key}"}
    )
    assert answer.status == 413
    answer.release()


async def test_a_body_of_just_the_limit_is_taken(api):
    assert (await api.send("POST", "/probe-small", raw=b"{}" + b" " * 98)).data == {"given": {}}
    assert (await api.send("POST", "/probe-small", raw=b"{}" + b" " * 99)).status == 413


async def test_a_large_body_is_parsed_beside_the_loop_with_the_same_result(api):
    large = server.PARSE_INLINE_MAX_BYTES + 1
    assert (await api.send("POST", "/api-cells", raw=b" " * large + b'{"name":"Laser"}')).status == 201
    assert (await api.send("POST", "/api-cells", raw=b" " * large + b'{"nam":"Laser"}')).status == 422
    assert (await api.send("POST", "/api-cells", raw=b" " * large + b"{")).status == 400


async def test_a_body_that_never_comes_is_given_up(api, monkeypatch):
    monkeypatch.setattr(incoming, "BODY_MAX_S", 0.05)
    head = f"POST /api-cells HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\nContent-Length: 20\r\n\r\n"
    assert b" 400 " in await api.wire(head.encode() + b'{"na')
    assert await api.count("cells") == 0


async def test_a_small_body_that_unpacks_to_a_large_one_is_413(api):
    packed = gzip.compress(b" " * 10_000)
    assert len(packed) < 100
    said = await api.send("POST", "/probe-small", raw=packed, headers={"Content-Encoding": "gzip"})
    assert said.status == 413


async def test_what_does_not_unpack_is_a_bad_request(api):
    said = await api.send("POST", "/probe-small", raw=b"no gzip", headers={"Content-Encoding": "gzip"})
    assert (said.status, said.error["code"]) == (400, "BAD_REQUEST")


# ------------------------------------------------------------------ what is no JSON


async def test_a_route_that_asks_for_no_key_takes_a_body_as_it_comes(api):
    plain = {"Content-Type": "text/plain; charset=utf-8"}
    url = f"http://127.0.0.1:{api.port}/probe-text"
    async with api.session.put(url, data=b"x" * 100, headers=plain) as answer:
        assert (answer.status, (await answer.json())["data"]) == (200, {"bytes": 100})
        assert "X-RateLimit-Remaining" in answer.headers
    async with api.session.put(url, data=b"x" * 101, headers=plain) as answer:
        assert answer.status == 413
    async with api.session.put(url, data=b"x", headers={"Content-Type": "image/png"}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_form_is_taken_file_by_file(api):
    form = aiohttp.FormData()
    form.add_field("other", "1")
    form.add_field("file", io.BytesIO(b"\x89PNG" * 1000), filename="a.png", content_type="Image/PNG")
    headers = {"Authorization": f"Bearer {api.key}"}
    async with api.session.post(f"http://127.0.0.1:{api.port}/probe-form", data=form, headers=headers) as answer:
        assert (await answer.json())["data"] == {"name": "a.png", "kind": "image/png", "bytes": 4000}


@pytest.mark.parametrize(
    "body", [b"", b"no form", b"--b\r\n\r\n", b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nv\r\n--b--\r\n']
)
async def test_a_form_that_is_none_is_a_bad_request(api, body):
    said = await api.send("POST", "/probe-form", raw=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert said.status == 400
    assert (
        await api.send("POST", "/probe-form", raw=body, headers={"Content-Type": "multipart/form-data"})
    ).status == 400


async def test_a_stream_goes_out_as_it_comes_and_breaks_off_when_it_fails(api):
    said = await api.session.get(
        f"http://127.0.0.1:{api.port}/probe-stream", headers={"Authorization": f"Bearer {api.key}"}
    )
    assert (said.content_type, await said.text()) == ("text/plain", "half, and half")
    assert said.headers["X-Content-Type-Options"] == "nosniff"
    broken = await api.session.get(
        f"http://127.0.0.1:{api.port}/probe-stream?broken=1", headers={"Authorization": f"Bearer {api.key}"}
    )
    with pytest.raises(aiohttp.ClientPayloadError):
        await broken.read()


async def test_the_head_of_a_stream_is_sent_alone(api):
    said = await api.session.head(
        f"http://127.0.0.1:{api.port}/probe-stream", headers={"Authorization": f"Bearer {api.key}"}
    )
    assert (said.status, await said.read()) == (200, b"")


async def test_somebody_without_a_key_does_not_get_his_body_read(api):
    head = "POST /api-jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 10485761\r\n\r\n"
    assert b" 401 " in await api.wire(head.encode())


# ------------------------------------------------------------------ pathology


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),  # somebody speaks TLS
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /api-cells HTTP/1.1\r\nHost: x\r\nX: " + b"y" * (17 * 1024) + b"\r\n\r\n",
        b"GET /api-cells?search=" + b"y" * (17 * 1024) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api-cells HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api-cells HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api-cells HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /api-cells HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n",
    ],
    ids=["tls", "half", "version", "header", "line", "both lengths", "negative", "two lengths", "name"],
)
async def test_what_is_not_http_is_refused_and_the_next_caller_is_served(api, request_):
    assert b" 400 " in await api.wire(request_)
    assert (await api.send("GET", "/api-cells")).status == 200


async def test_a_hundred_callers_who_hang_up_in_the_middle_change_nothing(api):
    head = f"POST /api-cells HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\nContent-Length: 16\r\n\r\n"

    async def hang_up() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(head.encode() + b'{"name":')
        await writer.drain()
        writer.transport.abort()

    with structlog.testing.capture_logs() as logged:
        await asyncio.gather(*(hang_up() for _ in range(100)))
        await api.send("GET", "/api-cells")
    assert [entry for entry in logged if entry["log_level"] == "error"] == []
    assert await api.count("cells") == 0


async def test_a_chunk_that_is_none_is_a_bad_request(api):
    head = (
        f"POST /api-cells HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with structlog.testing.capture_logs() as logged:
        assert b" 400 " in await api.wire(head.encode() + b"ZZ\r\n{}\r\n0\r\n\r\n")
    assert [entry for entry in logged if entry["log_level"] == "error"] == []


@pytest.mark.parametrize(
    "query", ["id=%00", "id=%FF%FE", "search=%00", "search=%ED%A0%80", "sort=%00&order=%00", "limit=%00", "name=a%00b"]
)
async def test_no_query_breaks_it(api, query):
    assert (await api.send("GET", f"/api-cells?{query}")).status < 500
