"""What a terminal reads: an operation with all that belongs to it, its papers, what a scan means, what somebody has done today."""

import io
import struct
import zlib

import pytest
from hall import BURR, JIG
from station import ANNA, BEN, LASER, SAW

from gateway.files import pages

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 60
PDF = b"%PDF-1.7\nbroken"
STEP = b"ISO-10303-21;\nHEADER;\n"
TENANT = "00000000-0000-4000-8000-000000000001"


async def test_everything_about_one_operation(hall):
    first, second = await hall.job()
    await hall.send("POST", "/api-substeps", {"operation_id": first, "name": "Deburr", "notes": "both sides"})
    await hall.do("UPDATE operations SET notes = 'Mind the film' WHERE id = ?", first)
    needs = {"resources": [{"resource_id": JIG, "quantity": 1}]}
    await hall.send("PATCH", f"/api-operations?id={first}", needs)
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("start", first)
    await hall.clock.advance(60)
    await terminal.tapped("report", first, {"good": 3})
    await terminal.tapped("issue", first, {"title": "Rattles"})
    told = await terminal.get(f"/operations/{first}")
    assert told["card"]["id"] == first
    assert told["notes"] == "Mind the film"
    routing = [(one["sequence"], one["cell_name"], one["status"]) for one in told["routing"]]
    assert routing == [(1, "Laser", "in_progress"), (2, "Saw", "not_started")]
    assert (told["next_cell"]["name"], told["next_cell"]["wip"], told["next_cell"]["waiting"]) == ("Saw", 0, 1)
    assert [(one["name"], one["status"], one["required"]) for one in told["substeps"]] == [
        ("Deburr", "not_started", False)
    ]
    assert [(one["operator_name"], one["end_time"]) for one in told["time"]] == [("Anna", None)]
    assert [(one["operator_name"], one["good"]) for one in told["quantities"]] == [("Anna", 3)]
    assert [one["title"] for one in told["issues"]] == ["Rattles"]
    assert [one["name"] for one in told["tools"]] == ["Jig 7"]
    assert (told["batch"], told["assembly"], told["handoff"]) == (None, [], None)
    assert (await terminal.send("GET", f"/operations/{BEN}")).status == 404
    assert (await terminal.send("GET", "/operations/none")).status == 404
    assert second


# ------------------------------------------------------------------ scans


@pytest.mark.parametrize(
    ("text", "kind", "count"),
    [
        ("J-1", "job", 2),
        (" j-1 ", "job", 2),
        ("J-1-P", "part", 2),
        ("j -1-p", "part", 2),
        ("DWG 88", "part", 2),
        ("J-1:J-1-P", "operation", 2),
        ("J-1:J-1-P:2", "operation", 1),
        ("BURR", "reason", 0),
        ("1042", "operator", 0),
        ("J-2", "nothing", 0),
        ("", "nothing", 0),
        ("%", "nothing", 0),
    ],
)
async def test_what_a_scan_means(hall, text, kind, count):
    await hall.job(drawing_no="DWG88")
    await hall.do("UPDATE profiles SET employee_id = '1042' WHERE id = ?", ANNA)
    terminal = await hall.terminal()
    async with hall.session.get(
        f"{hall.url}/terminal/api/find", params={"text": text}, headers={"Authorization": f"Bearer {terminal.key}"}
    ) as answer:
        told = (await answer.json())["data"]
    assert (told["kind"], len(told["operations"])) == (kind, count)
    if kind == "operator":
        assert told["operator"]["name"] == "Anna"
    if kind == "reason":
        assert told["reason"]["id"] == BURR


async def test_an_operation_is_found_by_its_id(hall):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    told = await terminal.get(f"/find?text={first.upper()}")
    assert (told["kind"], told["operations"][0]["id"]) == ("operation", first)
    assert (await terminal.send("GET", "/find?txt=x")).status == 422


# ------------------------------------------------------------------ the day


async def test_what_somebody_has_done_today(hall):
    first, second = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in(BEN)
    await terminal.tapped("report", second, {"good": 1})
    await terminal.sign_in()
    await terminal.tapped("start", first)
    await hall.clock.advance(600)
    await terminal.tapped("pause", first)
    await hall.clock.advance(60)
    await terminal.tapped("report", first, {"good": 2})
    told = await terminal.get(f"/activity?session={terminal.session}")
    assert told["worked_s"] == 600
    assert [(one["job_number"], one["operation_name"], one["end_time"]) for one in told["entries"]] == [
        ("J-1", "Op 1", None)
    ]
    assert [one["good"] for one in told["quantities"]] == [2]
    await terminal.tapped("resume", first)
    await hall.clock.advance(100)
    assert (await terminal.get(f"/activity?session={terminal.session}"))["worked_s"] == 700
    await terminal.tapped("finish", first, {"good": 8})
    assert (await terminal.get(f"/activity?session={terminal.session}"))["worked_s"] == 700
    assert (await terminal.send("GET", "/activity?session=nobody")).status == 401


# ------------------------------------------------------------------ papers


def drawing(text: str = "Laser 1", count: int = 2) -> bytes:
    """A PDF of a few pages, small and whole."""
    kids = " ".join(f"{3 + 2 * n} 0 R" for n in range(count))
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {count} >>"]
    for n in range(count):
        stream = f"0 0 {100 * (n + 1)} 50 re f % {text}"
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents {4 + 2 * n} 0 R >>")
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n")
    places = []
    for number, one in enumerate(objects, 1):
        places.append(out.tell())
        out.write(f"{number} 0 obj\n{one}\nendobj\n".encode())
    start = out.tell()
    rows = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    out.write(f"xref\n0 {size}\n0000000000 65535 f \n{rows}trailer << /Size {size} /Root 1 0 R >>\n".encode())
    out.write(f"startxref\n{start}\n%%EOF\n".encode())
    return out.getvalue()


async def upload(hall, name: str, kind: str, data: bytes) -> str:
    """The path of a file that is stored here now."""
    offer = (await hall.send("POST", "/api-upload-url", {"filename": name, "content_type": kind})).data
    async with hall.session.put(offer["upload_url"], data=data, headers={"Content-Type": kind}) as answer:
        assert answer.status == 200, await answer.text()
    return offer["file_path"]


async def listed(hall, paths: list[str]) -> str:
    """An operation whose part lists these files."""
    first, _ = await hall.job()
    ((part,),) = await hall.query("SELECT id FROM parts")
    assert (await hall.send("PATCH", f"/api-parts?id={part}", {"file_paths": paths})).status == 200
    return first


async def fetched(terminal, url: str) -> tuple[int, str, bytes]:
    headers = {"Authorization": f"Bearer {terminal.key}"}
    async with terminal.hall.session.get(f"{terminal.hall.url}/terminal/api{url}", headers=headers) as answer:
        return answer.status, answer.content_type, await answer.read()


async def test_papers_are_listed_and_shown_page_by_page(hall, tmp_path):
    pdf = await upload(hall, "plan.pdf", "application/pdf", drawing())
    step = await upload(hall, "part.step", "model/step", STEP)
    first = await listed(hall, [pdf, step, f"{TENANT}/files/elsewhere.pdf"])
    terminal = await hall.terminal()
    told = (await terminal.get(f"/operations/{first}"))["documents"]
    assert [(one["name"], one["kind"], one["pages"]) for one in told] == [
        ("plan.pdf", "pdf", 2),
        ("part.step", "step", None),
        ("elsewhere.pdf", "pdf", None),
    ]
    assert told[2]["url"] is None
    (card,) = (await terminal.get(f"/snapshot?cell={LASER}"))["operations"]
    assert (card["documents"]["pdf"], card["documents"]["step"], card["documents"]["drawing"]) == (2, 1, 0)
    pictures = [await fetched(terminal, told[0]["url"].replace("{page}", str(n))) for n in (1, 2)]
    for status, kind, data in pictures:
        assert (status, kind, data[:8]) == (200, "image/png", PNG)
        width, height = struct.unpack(">II", data[16:24])
        assert (width, round(width / height, 2)) == (1600, 1.5)
    assert pictures[0] != pictures[1]
    assert len([*(tmp_path / "cache" / "pages").iterdir()]) == 2
    assert await fetched(terminal, told[0]["url"].replace("{page}", "1")) == pictures[0]
    assert (await fetched(terminal, told[0]["url"].replace("{page}", "3")))[0] == 404
    assert await fetched(terminal, told[1]["url"]) == (200, "application/octet-stream", STEP)


async def test_a_damaged_pdf_is_offered_as_a_file(hall):
    first = await listed(hall, [await upload(hall, "plan.pdf", "application/pdf", PDF)])
    terminal = await hall.terminal()
    (told,) = (await terminal.get(f"/operations/{first}"))["documents"]
    assert (told["kind"], told["pages"]) == ("pdf", None)
    assert await fetched(terminal, told["url"]) == (200, "application/pdf", PDF)


async def test_the_program_of_a_machine_is_a_code_to_be_scanned(hall):
    first, _ = await hall.job(cnc_program_name="O1234")
    terminal = await hall.terminal()
    (told,) = (await terminal.get(f"/operations/{first}"))["documents"]
    assert (told["kind"], told["name"], told["pages"]) == ("cnc", "O1234", 1)
    status, kind, data = await fetched(terminal, told["url"])
    assert (status, kind, b"<svg" in data) == (200, "image/svg+xml", True)
    other, _ = await hall.job("J-2")
    assert (await fetched(terminal, f"/operations/{other}/cnc"))[0] == 404


async def test_a_file_of_another_part_is_not_handed_out(hall):
    path = await upload(hall, "plan.pdf", "application/pdf", drawing())
    first = await listed(hall, [path])
    other, _ = await hall.job("J-2")
    terminal = await hall.terminal()
    (told,) = (await terminal.get(f"/operations/{first}"))["documents"]
    assert (await fetched(terminal, f"/operations/{other}/documents/{told['id']}"))[0] == 404


async def test_pictures_take_no_more_room_than_they_may(hall, tmp_path, monkeypatch):
    first = await listed(hall, [await upload(hall, "plan.pdf", "application/pdf", drawing(count=4))])
    terminal = await hall.terminal()
    (told,) = (await terminal.get(f"/operations/{first}"))["documents"]
    size = len((await fetched(terminal, told["url"].replace("{page}", "1")))[2])
    monkeypatch.setattr(pages, "CACHE_MAX_BYTES", 2 * size + 200)
    for number in (2, 3, 4):
        assert (await fetched(terminal, told["url"].replace("{page}", str(number))))[0] == 200
    assert sum(file.stat().st_size for file in (tmp_path / "cache" / "pages").iterdir()) <= 2 * size + 200


def test_our_pngs_are_pngs():
    data = pages.png(2, 1, iter([b"\x01\x02\x03\x04\x05\x06"]))
    assert zlib.decompress(data[data.index(b"IDAT") + 4 : -16]) == b"\0\x01\x02\x03\x04\x05\x06"


# ------------------------------------------------------------------ photos


async def put(terminal, path: str, data: bytes = JPEG, kind: str = "image/jpeg") -> tuple[int, dict]:
    headers = {"Authorization": f"Bearer {terminal.key}", "Content-Type": kind}
    url = f"{terminal.hall.url}/terminal/api{path}"
    async with terminal.hall.session.put(url, data=data, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_photos_follow_their_issue_and_may_come_twice(hall):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    issue = (await terminal.tapped("issue", first, {"title": "Scratched", "photos": 2}))["result"]["issue_id"]
    for number in (0, 1, 1):
        status, told = await put(terminal, f"/issues/{issue}/photos/{number}")
        assert (status, told["data"]["path"]) == (201, f"{TENANT}/issues/{issue}/{number}.jpg")
    row = (await hall.get(f"/api-issues?id={issue}"))["issue"]
    assert row["image_paths"] == [f"{TENANT}/issues/{issue}/{n}.jpg" for n in (0, 1)]
    assert await hall.query("SELECT count(*) FROM files") == [(2,)]
    link = await hall.get(f"/api-issues/{issue}/image-url?path={row['image_paths'][0]}")
    async with hall.session.get(link["url"]) as answer:
        assert await answer.read() == JPEG
    assert (await put(terminal, f"/issues/{issue}/photos/1", JPEG + b"other"))[0] == 422
    assert (await put(terminal, f"/issues/{issue}/photos/5"))[0] == 404
    assert (await put(terminal, f"/issues/{SAW}/photos/0"))[0] == 404
    assert (await put(terminal, f"/issues/{issue}/photos/2", STEP))[0] == 400
    assert (await put(terminal, f"/issues/{issue}/photos/2", PDF, "application/pdf"))[0] in (400, 415)
    assert await hall.query("SELECT count(*) FROM files") == [(2,)]


async def test_a_terminal_that_is_bound_to_its_cell_adds_photos_there_alone(halls):
    async with halls(terminal={"own_cell_only": True}) as hall:
        first, second = await hall.job()
        terminal = await hall.terminal(cell_id=LASER)
        await terminal.sign_in()
        issue = (await terminal.tapped("issue", first, {"title": "Scratched", "photos": 1}))["result"]["issue_id"]
        assert (await put(terminal, f"/issues/{issue}/photos/0"))[0] == 201
        other = await hall.send("POST", "/api-issues", {"operation_id": second, "description": "Elsewhere"})
        assert (await put(terminal, f"/issues/{other.data['issue']['id']}/photos/0"))[0] == 403
