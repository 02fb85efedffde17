"""The bytes of our files to a hub, each by itself and once; the entry that tells of a file goes up after them."""

from collections import Counter

from gateway.files import store
from gateway.files.blobs import Blobs
from gateway.files.model import File
from gateway.kernel.db import Database
from gateway.kernel.errors import BadRequest, Conflict, Invalid, NotFound, Refused, StorageFailed, TooLarge, Unavailable
from gateway.upstream.client import HubClient

AT_ONCE_MAX = 2  # files on their way: the line is not for them alone
TRIES_MAX = 5  # of what the hub calls wrong: bytes may have been damaged on the way


class HubFiles:
    def __init__(self, client: HubClient, db: Database, blobs: Blobs, gateway_id: str) -> None:
        self._client = client
        self._db = db
        self._blobs = blobs
        self._gateway_id = gateway_id
        self._wrong: Counter[str] = Counter()  # of those that are tried: a line that is away makes nothing wrong

    async def bring(self, file_id: str, epoch: int) -> None:
        """Read through before a byte of it leaves. Whole at the hub when this returns, or deleted here meanwhile.

        Raises Refused: it will never go; StorageFull, Unavailable: not now.
        """
        file = await self._db.read(store.by_id, file_id)
        if file is None:
            return
        try:
            await self._send(file, epoch)
        except NotFound as exc:
            raise Unavailable("the hub takes no files: it is older than this gateway") from exc
        except (BadRequest, Invalid) as exc:
            self._wrong[file_id] += 1
            if self._wrong[file_id] <= TRIES_MAX:
                raise Unavailable(f"the hub refuses it: {exc.message}") from exc
            del self._wrong[file_id]
            raise Refused(f"{file.path}: the hub refuses it: {exc.message}") from exc
        except (Conflict, TooLarge) as exc:
            raise Refused(f"{file.path}: the hub refuses it: {exc.message}") from exc
        self._wrong.pop(file_id, None)

    async def _send(self, file: File, epoch: int) -> None:
        place = (file.bucket, file.id)
        about = {
            "gateway_id": self._gateway_id,
            "epoch": str(epoch),
            "bucket": file.bucket,
            "path": file.path,
            "content_type": file.content_type,
            "size": str(file.size_bytes),
            "sha256": file.sha256,
            "created_at": file.created_at,
        }
        if await self._client.has_file(file.id, about):
            return
        try:
            await self._blobs.require_sound(place, file.size_bytes, file.sha256)
        except StorageFailed as exc:
            if await self._db.read(store.by_id, file.id) is None:
                return  # deleted just now
            raise Refused(f"{file.path}: {exc.message}") from exc
        chunks = self._blobs.read(place, 0, file.size_bytes, file.sha256)
        await self._client.send_file(file.id, about, file.size_bytes, chunks)
