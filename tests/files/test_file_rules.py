"""Paths, types, signed addresses and ranges, without a disk and without a database."""

import base64
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import CSV, DXF, EXE, GIF, IMAGES, JPEG, JSON, PDF, PNG, STEP, TEXT, WEBP, XLS, XLSX

from gateway.files import rules
from gateway.files.model import Grant
from gateway.kernel.errors import BadRequest

TENANT = "00000000-0000-4000-8000-000000000001"
PART = "0193a000-0000-7000-8000-000000000001"
FILE = "0193a000-0000-7000-8000-000000000002"
NOW = datetime(2026, 11, 2, 7, tzinfo=UTC)
UNSET = datetime(1970, 1, 1, tzinfo=UTC)
KEY = bytes(range(32))
STEPS = re.compile(r"[A-Za-z0-9._-]+")
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)


def stays(path: str, *before: str) -> bool:
    """Below its folder, as one plain name for each step, none of them a way up."""
    steps = path.split("/")
    return steps[: len(before)] == [*before] and all(
        STEPS.fullmatch(step) and step.strip(".") for step in steps[len(before) :]
    )


# ------------------------------------------------------------------ names and paths


@given(filename=names, job_number=st.none() | names)
def test_no_path_of_an_upload_leaves_its_folder(filename, job_number):
    try:
        path = rules.upload_path(TENANT, filename, job_number)
    except BadRequest:
        assert (
            len(filename) > rules.NAME_MAX
            or len(job_number or "") > rules.NAME_MAX
            or any(sign in filename for sign in ("..", "/", "\\"))
        )
        return
    assert stays(path, TENANT)
    assert path.count("/") == (3 if job_number else 2)
    beside = rules.beside(path, "0123456789ab")
    assert stays(beside, TENANT)
    assert beside != path
    assert beside.rpartition("/")[0] == path.rpartition("/")[0]


@given(filename=names, kind=st.sampled_from(sorted(IMAGES)))
def test_no_path_of_an_image_leaves_its_part(filename, kind):
    path = rules.image_path(TENANT, PART, FILE, NOW, filename, kind)
    assert stays(path, TENANT, "parts", PART)
    assert re.fullmatch(rf"1793602800000_{FILE}\.[a-z]+(-[0-9a-f]+)?", path.split("/")[3])
    assert rules.is_own_image(path, TENANT, PART)
    assert not rules.is_own_image(path, TENANT, FILE)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a.pdf", "a.pdf"),
        ("Ö 1/2.pdf", "__1_2.pdf"),
        ("..", "__"),
        (".", "_"),
        ("...", "___"),
        ("../x", ".._x"),
        ("a\0b\nc", "a_b_c"),
        ("%2e%2e%2f", "_2e_2e_2f"),
    ],
)
def test_a_step_is_made_plain(text, wanted):
    assert rules.plain(text) == wanted


@pytest.mark.parametrize(
    ("path", "wanted"),
    [("t/f/a.pdf", "t/f/a-9.pdf"), ("t/f/a", "t/f/a-9"), ("t/f/.x", "t/f/.x-9"), ("t/f/a.b.c", "t/f/a.b-9.c")],
)
def test_a_taken_name_gets_one_beside_it(path, wanted):
    assert rules.beside(path, "9") == wanted


# ------------------------------------------------------------------ types

LOOKS = {
    "image/jpeg": JPEG,
    "image/png": PNG,
    "image/gif": GIF,
    "image/webp": WEBP,
    "application/pdf": PDF,
    "text/plain": TEXT,
    "text/csv": CSV,
    "application/json": JSON,
    "application/step": STEP,
    "application/stp": STEP,
    "model/step": STEP,
    "application/dxf": DXF,
    "image/vnd.dxf": DXF,
    "application/vnd.ms-excel": XLS,
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": XLSX,
    "application/octet-stream": EXE,
}
WRITTEN = {kind for kind, data in LOOKS.items() if data in (TEXT, CSV, JSON, STEP, DXF)}
# declared -> what else goes through as that: anything written as text; a drawing that begins with a number as JSON
ALSO = dict.fromkeys(("text/plain", "text/csv", "application/vnd.ms-excel"), WRITTEN)
ALSO |= {"application/json": {"application/dxf", "image/vnd.dxf"}, "application/octet-stream": set(LOOKS)}


def test_the_types_are_the_contract_s():
    assert set(LOOKS) == set(rules.UPLOAD_TYPES)


@pytest.mark.parametrize("declared", sorted(LOOKS))
@pytest.mark.parametrize("really", sorted(LOOKS))
def test_what_is_declared_is_what_it_must_look_like(declared, really):
    if LOOKS[declared] == LOOKS[really] or really in ALSO.get(declared, ()):
        rules.check_upload(declared, declared, LOOKS[really])
    else:
        with pytest.raises(BadRequest):
            rules.check_upload(declared, declared, LOOKS[really])


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        ("text/plain", "Grüße".encode("utf-16")),
        ("application/json", '{"a":1}'.encode("utf-16")),
        ("application/json", b'\xef\xbb\xbf\n {"a":1}'),
        ("application/step", b"\xef\xbb\xbfISO-10303-21;"),
        ("application/dxf", b"999\nmade by\n  0\nSECTION\n"),
        ("application/dxf", b"AutoCAD Binary DXF\r\n\x1a\0"),
        ("application/pdf", b"\n\n%PDF-1.4"),
        ("application/vnd.ms-excel", CSV),
        ("image/gif", b"GIF87a" + bytes(20)),
    ],
)
def test_other_beginnings_of_the_same(kind, head):
    rules.check_upload(kind, kind, head)


@given(st.binary(max_size=40))
def test_an_image_is_one_by_its_bytes_alone(head):
    kind = rules.image_type(head)
    for declared in IMAGES:
        if kind == declared:
            assert rules.check_image(declared, head) == declared
        else:
            with pytest.raises(BadRequest):
                rules.check_image(declared, head)


@pytest.mark.parametrize(
    "kind", ["", "image", "image/*", "text/html", "image/svg+xml", "image/jpg", "application/zip", "*/*"]
)
def test_other_types_are_not_taken(kind):
    with pytest.raises(BadRequest):
        rules.check_offered(kind)


def test_a_type_is_read_without_its_parameters():
    assert rules.check_offered(" Text/CSV; charset=utf-8") == "text/csv"


# ------------------------------------------------------------------ signed addresses

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
grants = st.builds(
    Grant,
    st.sampled_from(["GET", "PUT"]),
    texts,
    texts,
    st.integers(0, 2**40),
    texts,
    texts,
    texts,
    st.integers(0, 2**40),
)


@given(grants)
def test_what_was_sealed_is_read_again(grant):
    assert rules.unsealed(KEY, rules.sealed(KEY, grant)) == grant


@given(grants, st.data())
def test_no_token_holds_after_any_change_of_one_byte(grant, data):
    token = rules.sealed(KEY, grant)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(exclude_categories=["Cs"]).filter(lambda sign: sign != token[place]))
    for changed in (
        token[:place] + other + token[place + 1 :],
        token[:place] + token[place + 1 :],
        token[:place] + other + token[place:],
        token + other,
        token[:place],
    ):
        assert rules.unsealed(KEY, changed) is None


def test_a_token_has_one_spelling():
    """The last sign of 32 bytes in base64 holds two bits that mean nothing."""
    token = rules.sealed(KEY, Grant("GET", "issues", "a/b", 1, "k"))
    said, _, signature = token.partition(".")
    plain = base64.urlsafe_b64decode(signature + "=")
    spelled = [
        f"{said}.{signature[:-1]}{sign}"
        for sign in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        if base64.urlsafe_b64decode(signature[:-1] + sign + "=") == plain
    ]
    assert len(spelled) == 4
    assert [one for one in spelled if rules.unsealed(KEY, one)] == [token]
    assert rules.unsealed(KEY, token + "=") is None


@given(st.text(max_size=80))
def test_what_is_no_token_grants_nothing(token):
    assert rules.unsealed(KEY, token) is None


def test_another_box_s_token_grants_nothing():
    assert rules.unsealed(bytes(32), rules.sealed(KEY, Grant("GET", "issues", "a/b", 1, "k"))) is None


@pytest.mark.parametrize(
    ("method", "bucket", "path", "after_s", "allowed"),
    [
        ("PUT", "issues", "t/files/a", 0, True),
        ("PUT", "issues", "t/files/a", 899, True),
        ("PUT", "issues", "t/files/a", 900, False),
        ("GET", "issues", "t/files/a", 0, False),
        ("PUT", "parts-images", "t/files/a", 0, False),
        ("PUT", "issues", "t/files/b", 0, False),
        ("PUT", "issues", "t/files/a/", 0, False),
    ],
)
def test_a_grant_is_for_one_method_on_one_object_until_it_ends(method, bucket, path, after_s, allowed):
    grant = Grant("PUT", "issues", "t/files/a", int(NOW.timestamp()) + 900, "k")
    now = datetime.fromtimestamp(NOW.timestamp() + after_s, UTC)
    assert rules.allows(grant, method, bucket, path, now) is allowed


def test_a_clock_that_was_never_set_ends_nothing():
    assert rules.allows(Grant("GET", "issues", "a", -5, "k"), "GET", "issues", "a", UNSET)


# ------------------------------------------------------------------ ranges


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (None, None),
        ("", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 10)),
        ("bytes=9-", (9, 10)),
        ("bytes=10-", None),
        ("bytes=-3", (7, 10)),
        ("bytes=-30", (0, 10)),
        ("bytes=-0", None),
        ("bytes=-", None),
        ("bytes=5-4", None),
        ("bytes=0-1,3-4", None),
        ("octets=0-1", None),
        ("bytes=a-b", None),
        ("bytes=" + "9" * 40 + "-", None),
    ],
)
def test_ranges(asked, wanted):
    assert rules.span(asked, 10) == wanted


@given(st.text(max_size=20) | st.from_regex(r"bytes=\d*-\d*", fullmatch=True), st.integers(1, 10**6))
def test_a_range_is_never_outside_the_file(asked, size):
    if (found := rules.span(asked, size)) is not None:
        assert 0 <= found[0] < found[1] <= size
