"""Names and paths of files, what their first bytes say, signed addresses, ranges. Pure."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import astuple
from datetime import datetime

from gateway.files.model import Grant
from gateway.kernel import clock as time_
from gateway.kernel.errors import BadRequest

IMAGES, UPLOADS = (
    "parts-images",
    "issues",
)  # the cloud's buckets; what is uploaded by address lies in the second, as there
BUCKETS = (IMAGES, UPLOADS)
NAME_MAX = 255
PATH_MAX = 1_024  # characters
PATH_STEPS = (3, 4)  # as of `<tenant>/files/<name>`, and of `<tenant>/jobs/<job number>/<name>`
HEAD_BYTES = 1024  # of a file are looked at
OFFER_S = 15 * 60  # an address for an upload is good for so long
LINK_S = 60 * 60  # and one to fetch a file

# ------------------------------------------------------------------ names and paths

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]")
# [U] what stands behind the last dot of a client's name is kept: some mark their uploads there, `x.jpg-<hash>`
_ENDING = re.compile(r"(?:jpg|jpeg|png|webp|gif)(?:-[0-9a-f]{1,64})?")
_ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/gif": "gif"}


def plain(text: str) -> str:
    """As one step of a path: nothing in it climbs, and nothing has to be escaped in an address."""
    step = _NOT_PLAIN.sub("_", text)
    return step if step.strip(".") else "_" * len(step)


def upload_path(tenant_id: str, filename: str, job_number: str | None) -> str:
    """[U] `<tenant>/jobs/<job number>/<file>`, or `<tenant>/files/<file>`. Raises BadRequest."""
    for text, name in ((filename, "filename"), (job_number or "", "job_number")):
        if len(text) > NAME_MAX:
            raise BadRequest(f"{name} has {len(text)} characters, at most {NAME_MAX} are taken")
    if ".." in filename or "/" in filename or "\\" in filename:
        raise BadRequest(f'filename "{filename}" holds "..", "/" or "\\": give the name alone')
    folder = f"jobs/{plain(job_number)}" if job_number else "files"
    return f"{tenant_id}/{folder}/{plain(filename)}"


def beside(path: str, mark: str) -> str:
    """The same place under a name that is free: `a.pdf` as `a-<mark>.pdf`."""
    folder, _, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    return f"{folder}/{stem}-{mark}.{ending}" if dot and stem else f"{folder}/{name}-{mark}"


def image_path(tenant_id: str, part_id: str, file_id: str, now: datetime, filename: str, content_type: str) -> str:
    """[U] `<tenant>/parts/<part>/<ms>_<uuid>.<ending>`."""
    ending = filename.rpartition(".")[2].lower()
    ending = ending if _ENDING.fullmatch(ending) else _ENDINGS[content_type]
    return f"{_of_part(tenant_id, part_id)}{int(now.timestamp() * 1000)}_{file_id}.{ending}"


def check_path(path: str) -> str:
    """One as they are made here, of a file that another gateway brings. Raises BadRequest."""
    steps = path.split("/")
    if len(steps) not in PATH_STEPS or len(path) > PATH_MAX or any(plain(step) != step or not step for step in steps):
        raise BadRequest(f'"{path[:PATH_MAX]}" is no path of a file: <tenant>/<folder>/<name>, or one step more')
    return path


def part_of(path: str) -> str | None:
    """The part whose own image lies at this path."""
    steps = path.split("/")
    return steps[2] if len(steps) == max(PATH_STEPS) and steps[1] == "parts" else None


def is_own_image(path: str, tenant_id: str, part_id: str) -> bool:
    """Was it uploaded for this part, and so goes when the part lets go of it?"""
    return path.startswith(_of_part(tenant_id, part_id))


def _of_part(tenant_id: str, part_id: str) -> str:
    return f"{tenant_id}/parts/{part_id}/"


# ------------------------------------------------------------------ types

# A client that does not know what it sends says one of these (the last is what many say for any body).
_UNSTATED = ("application/octet-stream", "application/x-www-form-urlencoded")
_PDF, _ZIP, _OLE = b"%PDF-", b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_STEP = re.compile(rb"(?:\xef\xbb\xbf)?\s*ISO-10303-21\b")
_DXF = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:0|999)[ \t]*\r?\n|AutoCAD Binary DXF\r\n")
_JSON = re.compile(rb'(?:\xef\xbb\xbf)?\s*[{\["\-0-9tfn]')


def image_type(head: bytes) -> str | None:
    """What these first bytes of a file are, if an image that is taken."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    return None


def _is_text(head: bytes) -> bool:
    binary = b"\0" in head and not head.startswith(_UTF16)
    return not binary and image_type(head) is None and not head.startswith((_PDF, _ZIP, _OLE))


def _is_step(head: bytes) -> bool:
    return _STEP.match(head) is not None


def _is_dxf(head: bytes) -> bool:
    return _DXF.match(head) is not None


# [U] the types that an address is given out for -> do these first bytes agree?
_AGREES: dict[str, Callable[[bytes], bool]] = {
    **{kind: lambda head, kind=kind: image_type(head) == kind for kind in _ENDINGS},  # type: ignore[misc] # bound now
    "application/pdf": lambda head: _PDF in head,  # some begin with a line of the printer's
    "text/plain": _is_text,
    "text/csv": _is_text,
    "application/json": lambda head: _is_text(head) and (_JSON.match(head) is not None or head.startswith(_UTF16)),
    "application/step": _is_step,
    "application/stp": _is_step,
    "model/step": _is_step,
    "application/octet-stream": lambda _head: True,
    "application/dxf": _is_dxf,
    "image/vnd.dxf": _is_dxf,
    "application/vnd.ms-excel": lambda head: head.startswith(_OLE) or _is_text(head),  # Windows calls a CSV so too
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": lambda head: head.startswith(_ZIP),
}
UPLOAD_TYPES = tuple(_AGREES)
IMAGE_TYPES = (*_ENDINGS, "image/jpg")


def normal(content_type: str) -> str:
    """In small letters, without parameters."""
    return content_type.partition(";")[0].strip().lower()


def check_offered(content_type: str) -> str:
    """The declared type of an upload to come. Raises BadRequest."""
    kind = normal(content_type)
    if kind not in _AGREES:
        raise BadRequest(f'content_type "{content_type[:NAME_MAX]}" is not taken: one of {", ".join(UPLOAD_TYPES)}')
    return kind


def check_upload(declared: str, sent_as: str, head: bytes) -> None:
    """Does what came agree with what its address was given out for? Raises BadRequest."""
    if sent_as not in (declared, *_UNSTATED):
        raise BadRequest(f"this address takes {declared}, not {sent_as}")
    _check_bytes(declared, head)


def check_image_type(declared: str) -> str:
    """The type of an image by its name. Raises BadRequest."""
    if declared not in IMAGE_TYPES:
        raise BadRequest(f'Invalid file type "{declared[:NAME_MAX]}". Allowed types: {", ".join(IMAGE_TYPES)}')
    return "image/jpeg" if declared == "image/jpg" else declared


def check_image(declared: str, head: bytes) -> str:
    """The type of an image, by its name and its bytes. Raises BadRequest."""
    kind = check_image_type(declared)
    _check_bytes(kind, head)
    return kind


def _check_bytes(kind: str, head: bytes) -> None:
    if not head:
        raise BadRequest("the file is empty")
    if not _AGREES[kind](head):
        raise BadRequest(f"the file is said to be {kind}, but does not begin like one: declare what it is")


# ------------------------------------------------------------------ signed addresses


def sealed(key: bytes, grant: Grant) -> str:
    """A token that says what is granted and cannot be made, or changed, without the key."""
    said = _base64(json.dumps(astuple(grant), separators=(",", ":")).encode())
    return f"{said}.{_signature(key, said)}"


def unsealed(key: bytes, token: str) -> Grant | None:
    """None: not made with this key. Compared as text: of one signature there is one spelling."""
    said, _, signature = token.partition(".")
    wanted = _signature(key, said)
    if not hmac.compare_digest(wanted.encode(), signature.encode(errors="replace")):
        return None
    return Grant(*json.loads(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4))))


def allows(grant: Grant, method: str, bucket: str, path: str, now: datetime) -> bool:
    """A clock that was never set ends nothing."""
    over = time_.trusted(now) and now.timestamp() >= grant.expires_s
    return (grant.method, grant.bucket, grant.path) == (method, bucket, path) and not over


def _signature(key: bytes, said: str) -> str:
    return _base64(hmac.digest(key, said.encode(errors="replace"), hashlib.sha256))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# ------------------------------------------------------------------ ranges

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def span(asked: str | None, size: int) -> tuple[int, int] | None:
    """First and behind the last byte of a `Range`; None when the whole file is the answer, as to what cannot be had."""
    found = _RANGE.fullmatch(asked.strip()) if asked else None
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    return (start, end) if start < end else None
