"""`/api-upload-url`, `/api-parts-images`, and the addresses under `/storage/v1/object/` that are their own permission."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, StrictStr

from gateway.catalog import models
from gateway.catalog.routes import wanted
from gateway.files.commands import FileCommands, Sizes, Wish
from gateway.files.reading import FileReading, Linked
from gateway.jobs.resources import PARTS
from gateway.kernel.errors import BadRequest, Invalid
from gateway.kernel.room import Use
from gateway.outbox.receipts import Answer
from gateway.web.body import detail
from gateway.web.routes import Call, Cells, Parameter, Raw, Route, Scope

FORM = "multipart/form-data"
FORM_MAX_BYTES = 64 * 1024  # of a form around the file in it
IMAGES_PATH = "/api-parts-images"
# `<tenant>/files/<name>`, `<tenant>/jobs/<job number>/<name>`, `<tenant>/parts/<part>/<name>`
OBJECTS = ("{tenant}/{folder}/{name}", "{tenant}/{folder}/{owner}/{name}")

_TEXT = {"type": "string"}
_IMAGE = {"path": _TEXT, "url": _TEXT, "size": {"type": "integer"}, "name": _TEXT}
_LISTED = {
    "type": "object",
    "properties": {**_IMAGE, "url": {"type": ["string", "null"]}, "created_at": {"type": ["string", "null"]}},
}
_LINK = {"path": _TEXT, "url": _TEXT, "expires_in": {"type": "integer"}}
_NO_PART = "Part ID is required: /api-parts-images/{part_id} or ?part_id="
_PART_ID = Parameter("part_id", {"type": "string", "format": "uuid"}, "The part.", _NO_PART)
_MAYBE = (replace(_PART_ID, required=""),)
_PATH = Parameter("path", about="One that the row lists.", required="path is required")
_TOKEN = Parameter("token", about="What is granted, signed.", required="the address is not whole: its token is missing")


class UploadUrl(BaseModel):
    """[U] what is missing here is a bad request, not an invalid one: the handler says so."""

    model_config = ConfigDict(extra="forbid")

    filename: StrictStr | None = None
    content_type: StrictStr | None = None
    job_number: StrictStr | None = None


class AttachImage(BaseModel):
    model_config = ConfigDict(extra="forbid")

    part_id: models.Uuid | None = None
    file_path: StrictStr | None = None


class DeleteImage(BaseModel):
    model_config = ConfigDict(extra="forbid")

    path: StrictStr | None = None


def routes(files: FileReading, commands: FileCommands, sizes: Sizes, linked: Iterable[Linked]) -> list[Route]:
    """`linked`: the tables beside parts whose rows list files."""
    return [
        *_upload_urls(commands),
        *_images(files, commands, sizes),
        *_objects(files, commands, sizes),
        *(linking(files, one) for one in (PART_FILES, *linked)),
    ]


# ---------------------------------------------------------------------- addresses for uploads


def _upload_urls(commands: FileCommands) -> list[Route]:
    async def offer(call: Call) -> Answer:
        body: UploadUrl | None = call.body
        if body is None or not body.filename or not body.content_type:
            raise BadRequest("filename and content_type are required")
        wish = Wish(body.filename, body.content_type, body.job_number, call.base)
        return await commands.offer(wish, call.caller, call.receipt)

    answers = {"upload_url": _TEXT, "file_path": _TEXT, "expires_at": _TEXT, "token": _TEXT}
    summary = "An address to which the bytes of one file can be sent (PUT), for 15 minutes"
    return [  # [U] whatever the method
        Route(
            method,
            "/api-upload-url",
            offer,
            Scope.OPERATE,
            Cells.NONE,
            summary,
            UploadUrl,
            answers=answers,
            strict_method=True,
            use=Use.UPLOAD,
        )
        for method in ("POST", "PUT", "PATCH")
    ]


def _objects(files: FileReading, commands: FileCommands, sizes: Sizes) -> list[Route]:
    async def take(call: Call) -> Raw:
        assert call.incoming is not None and call.receipt is not None  # nosec B101 # noqa: S101, PT018 -- any body is taken as it is
        bucket, path = call.path["bucket"], _object(call.path)
        grant = await commands.granted("PUT", bucket, path, call.query["token"])
        answer = await commands.take(grant, call.incoming, call.receipt)
        # the cloud's own storage clients look for `Key`
        body = f'{{"success":true,"data":{answer.data},"Key":"{bucket}/{path}"}}'
        headers = {"Idempotency-Key": call.receipt.key}
        if answer.replayed:
            headers["Idempotency-Replayed"] = "true"
        return Raw("application/json", body.encode(), answer.status, headers)

    async def give(call: Call) -> Raw:
        bucket, path = call.path["bucket"], _object(call.path)
        grant = await commands.granted("GET", bucket, path, call.query["token"])
        return await files.whole(grant, call.headers)

    found = []
    for place in OBJECTS:
        found.append(
            Route(
                "PUT",
                f"/storage/v1/object/upload/sign/{{bucket}}/{place}",
                take,
                Scope.NONE,
                Cells.NONE,
                "Send a file to an address that was given out for it",
                parameters=(_TOKEN,),
                strict_method=True,
                refuses=frozenset((403,)),
                body_max_bytes=sizes.upload + FORM_MAX_BYTES,
                takes=("*/*",),
                gives="application/json",
                patient=True,
                use=Use.UPLOAD,
            )
        )
        found.append(
            Route(
                "GET",
                f"/storage/v1/object/sign/{{bucket}}/{place}",
                give,
                Scope.NONE,
                Cells.NONE,
                "Fetch a file, for an hour after its address was given out; a Range of it if wanted",
                parameters=(_TOKEN,),
                strict_method=True,
                refuses=frozenset((403,)),
                gives="*/*",
            )
        )
    return found


def _object(path: Mapping[str, str]) -> str:
    return "/".join(path[name] for name in ("tenant", "folder", "owner", "name") if name in path)


# ---------------------------------------------------------------------- rows that list files


PART_FILES = Linked(PARTS, "/api-parts/{part_id}/file-url", ("file_paths",), "CAD file")
PART_IMAGES = Linked(PARTS, f"{IMAGES_PATH}/{{part_id}}/url", ("image_paths",), "Image", strict=True)


def linking(files: FileReading, linked: Linked) -> Route:
    """Where a file that a row lists can be fetched."""
    parameter = linked.address.partition("{")[2].partition("}")[0]

    async def show(call: Call) -> Answer:
        row_id = wanted(linked.resource, call.path[parameter])
        return await files.one(linked, row_id, call.query["path"], call.base, call.caller)

    return Route(
        "GET",
        linked.address,
        show,
        Scope.READ,
        Cells.FILTERED,
        f"Address at which a file of this {linked.resource.singular[-1]} can be fetched",
        parameters=(_PATH,),
        answers=_LINK,
        strict_method=linked.strict,
    )


# ---------------------------------------------------------------------- images of parts


@dataclass(frozen=True, slots=True)
class _Images:
    """The handlers; each style of address has the part's id elsewhere."""

    files: FileReading
    commands: FileCommands

    async def show(self, call: Call) -> Answer:
        return await self.files.images(_part_id(call), call.base, call.caller)

    async def add(self, call: Call) -> Answer:
        """A form with the image, or JSON with the path of a file that was uploaded before."""
        if call.incoming is not None and call.receipt is not None:
            return await self.commands.add_image(_part_id(call), call.incoming, call.base, call.caller, call.receipt)
        body: AttachImage | None = call.body
        part_id = _part_id(call, body.part_id if body else None)
        if body is None or not body.file_path:
            raise BadRequest(
                'Invalid action for POST: send a form with the image in the field "file", or {part_id, file_path} '
                "of a file that was uploaded before"
            )
        return await self.commands.attach_image(part_id, body.file_path, call.base, call.caller, call.receipt)

    async def remove(self, call: Call) -> Answer:
        part_id = _part_id(call)
        if not call.body.path:
            raise BadRequest("Image path is required")
        return await self.commands.remove_image(part_id, call.body.path, call.caller, call.receipt)


def _part_id(call: Call, said: str | None = None) -> str:
    """Raises BadRequest: none; Invalid: two; NotFound: what is no id is the id of nothing."""
    part_id = call.path.get("part_id") or call.query.get("part_id")
    if not part_id and not said:
        raise BadRequest(_NO_PART)
    if part_id and said and part_id.lower() != said:
        message = f"part_id is {said} in the body and {part_id} in the address"
        raise Invalid(message, [detail("part_id", message, "TYPE_MISMATCH")])
    return wanted(PARTS, part_id or said or "")


def _images(files: FileReading, commands: FileCommands, sizes: Sizes) -> list[Route]:
    images = _Images(files, commands)
    one, many = f"{IMAGES_PATH}/{{part_id}}", (_PART_ID,)
    form: dict[str, Any] = {"body_max_bytes": sizes.image + FORM_MAX_BYTES, "takes": (FORM,), "patient": True}
    form |= {"use": Use.UPLOAD}
    made: dict[str, Any] = {"answers": _IMAGE, "status": 201, "strict_method": True, **form}
    shown: dict[str, Any] = {"answers": {"images": {"type": "array", "items": _LISTED}}, "strict_method": True}
    gone: dict[str, Any] = {"answers": {"success": {"const": True}, "deleted_path": _TEXT}, "strict_method": True}
    see, add, remove = "List the images of a part", "Add an image to a part", "Delete an image of a part"
    reading, writing = (Scope.READ, Cells.FILTERED), (Scope.OPERATE, Cells.CHECKED)
    return [
        Route("GET", IMAGES_PATH, images.show, *reading, see, parameters=many, **shown),
        Route("POST", IMAGES_PATH, images.add, *writing, add, AttachImage, parameters=_MAYBE, **made),
        Route("DELETE", IMAGES_PATH, images.remove, *writing, remove, DeleteImage, parameters=many, **gone),
        Route("GET", one, images.show, *reading, see, **shown),
        Route("POST", one, images.add, *writing, add, AttachImage, **made),
        Route("DELETE", one, images.remove, *writing, remove, DeleteImage, **gone),
        Route("POST", f"{one}/upload", images.add, *writing, add, **made),
        linking(files, PART_IMAGES),
    ]
