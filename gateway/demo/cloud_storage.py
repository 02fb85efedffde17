"""The cloud's storage, in memory: objects in buckets, and the signed addresses that are their own permission."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.demo.cloud_answer import Answer
from gateway.demo.cloud_values import instant_text
from gateway.kernel.clock import Clock

STORAGE = "/storage/v1/object/"
UPLOAD, FETCH = "upload/sign/", "sign/"
PART_IMAGES, ISSUES = "parts-images", "issues"
MIB = 1024 * 1024
# Bucket -> the largest object, the types that it takes.
BUCKETS: Mapping[str, tuple[int, tuple[str, ...]]] = {
    PART_IMAGES: (10 * MIB, ("image/jpeg", "image/png", "image/webp", "image/gif")),
    ISSUES: (50 * MIB, ("image/jpeg", "image/png", "image/webp", "application/pdf")),
}
UPLOAD_GOOD = timedelta(hours=2)
FETCH_GOOD = timedelta(hours=1)

Place = tuple[str, str]  # bucket, path


@dataclass(frozen=True, slots=True)
class Stored:
    data: bytes
    content_type: str
    created_at: str


@dataclass(frozen=True, slots=True)
class _Signed:
    method: str
    place: Place
    until: datetime


class Storage:
    """`base`: where it is reached. `signs_for_taken`: an address is given out for a path that is taken, too."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._signed: dict[str, _Signed] = {}
        self.objects: dict[Place, Stored] = {}
        self.base = ""
        self.signs_for_taken = True

    def upload_address(self, place: Place) -> str:
        return self._address("PUT", UPLOAD, place, UPLOAD_GOOD)

    def fetch_address(self, place: Place) -> str:
        return self._address("GET", FETCH, place, FETCH_GOOD)

    def put(self, place: Place, data: bytes, content_type: str) -> None:
        self.objects[place] = Stored(data, content_type, instant_text(self._clock.now()))

    def used_bytes(self, tenant_id: str) -> int:
        return sum(len(one.data) for (_, path), one in self.objects.items() if path.startswith(f"{tenant_id}/"))

    def serve(self, method: str, path: str, token: str, body: bytes, content_type: str) -> Answer:
        """A request to a signed address. The errors are the storage's own: its status stands in the body."""
        kind = UPLOAD if path.startswith(STORAGE + UPLOAD) else FETCH
        bucket, _, name = path.removeprefix(STORAGE + kind).partition("/")
        signed = self._signed.get(token)
        if signed is None or (signed.method, signed.place) != (method, (bucket, name)):
            return _refused("400", "InvalidSignature", "The url's signature is invalid")
        if self._clock.now() >= signed.until:
            return _refused("400", "InvalidJWT", '"exp" claim timestamp check failed')
        if method == "GET":
            stored = self.objects.get(signed.place)
            if stored is None:
                return _refused("404", "not_found", "Object not found")
            return Answer(200, stored.data, {"Content-Type": stored.content_type}, enveloped=False)
        return self._upload(signed.place, body, content_type)

    def _upload(self, place: Place, body: bytes, content_type: str) -> Answer:
        bytes_max, types = BUCKETS[place[0]]
        if content_type not in types:
            return _refused("415", "invalid_mime_type", f"mime type {content_type} is not supported")
        if len(body) > bytes_max:
            return _refused("413", "Payload too large", "The object exceeded the maximum allowed size")
        if place in self.objects:
            return _refused("409", "Duplicate", "The resource already exists")
        self.put(place, body, content_type)
        return Answer(200, {"Key": "/".join(place)}, enveloped=False)

    def _address(self, method: str, kind: str, place: Place, good: timedelta) -> str:
        token = secrets.token_hex(16)
        self._signed[token] = _Signed(method, place, self._clock.now() + good)
        return f"{self.base}{STORAGE}{kind}{place[0]}/{place[1]}?token={token}"


def _refused(code: str, error: str, message: str) -> Answer:
    return Answer(400, {"statusCode": code, "error": error, "message": message}, enveloped=False)
