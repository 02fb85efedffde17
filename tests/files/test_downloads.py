"""What was uploaded is fetched at a signed address."""

import asyncio
from urllib.parse import urlsplit

import aiohttp
import pytest
import structlog
from pictures import PDF, picture

TENANT = "00000000-0000-4000-8000-0000000ff001"


async def fetchable(uploads, floor, data: bytes = PDF) -> str:
    path = await uploads.stored(data=data)
    part_id = await uploads.part()
    await floor.send("PATCH", f"/api-parts?id={part_id}", {"file_paths": [path]})
    return (await floor.get(f"/api-parts/{part_id}/file-url?path={path}"))["url"]


async def test_a_file_is_given_as_an_attachment_that_nobody_guesses_about(uploads, floor):
    url = await fetchable(uploads, floor)
    assert urlsplit(url).path.startswith("/storage/v1/object/sign/issues/")
    status, headers, data = await uploads.fetch(url)
    assert (status, data) == (200, PDF)
    assert headers["Content-Disposition"] == 'attachment; filename="a.pdf"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Length"] == str(len(PDF))
    status, headers, data = await uploads.fetch(url, "HEAD")
    assert (status, headers["Content-Length"], data) == (200, str(len(PDF)), b"")


async def test_it_ends_after_an_hour(uploads, floor):
    url = await fetchable(uploads, floor)
    await floor.clock.advance(3599)
    assert (await uploads.fetch(url))[0] == 200
    await floor.clock.advance(1)
    assert (await uploads.fetch(url))[0] == 403


async def test_a_part_of_a_large_file_can_be_had(uploads, floor):
    data = PDF + bytes(range(256)) * 20_000
    url = await fetchable(uploads, floor, data)
    assert (await uploads.fetch(url))[2] == data
    for asked, wanted in (("bytes=0-9", data[:10]), ("bytes=5000000-", data[5_000_000:]), ("bytes=-7", data[-7:])):
        status, headers, got = await uploads.fetch(url, Range=asked)
        assert (status, got) == (206, wanted)
        assert headers["Content-Range"].endswith(f"/{len(data)}")
    for asked in ("bytes=99999999-", "bytes=3-1", "lines=1-2", "bytes=0-1,4-5", "bytes=-"):
        assert (await uploads.fetch(url, Range=asked))[0] == 200
    tag = (await uploads.fetch(url, "HEAD"))[1]["ETag"]
    assert (await uploads.fetch(url, Range="bytes=0-9", **{"If-Range": tag}))[0] == 206
    assert (await uploads.fetch(url, Range="bytes=0-9", **{"If-Range": '"other"'}))[0] == 200


async def test_what_is_damaged_on_the_disk_is_never_served_whole(uploads, floor, tmp_path):
    data = picture(3_000_000)
    offer = await uploads.offer("a.png", "image/png")
    assert (await uploads.put(offer["upload_url"], data, "image/png")).status == 200
    part_id = await uploads.part()
    await floor.send("PATCH", f"/api-parts?id={part_id}", {"file_paths": [offer["file_path"]]})
    url = (await floor.get(f"/api-parts/{part_id}/file-url?path={offer['file_path']}"))["url"]
    (name,) = uploads.on_disk()
    file = tmp_path / "files" / name
    file.write_bytes(data[:-1] + b"\0")
    with pytest.raises(aiohttp.ClientError):
        await uploads.fetch(url)
    file.write_bytes(data[:-1])
    assert (await uploads.fetch(url))[0] == 404


async def test_who_goes_away_in_the_middle_disturbs_nobody(uploads, floor):
    url = urlsplit(await fetchable(uploads, floor, PDF + b"x" * 40_000_000))
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            _, writer = await asyncio.open_connection(url.hostname, url.port)
            writer.write(f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.transport.abort()
        await asyncio.sleep(0.3)
        assert (await floor.send("GET", "/api-jobs")).status == 200
    assert [entry for entry in logs if entry["log_level"] != "debug"] == []
