"""What a file is, and what a signed address allows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class File:
    """One that is stored here. `path` is its name for clients; on the disk it is called by its id."""

    id: str
    bucket: str
    path: str
    content_type: str
    size_bytes: int
    sha256: str
    created_at: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a signed address allows, to whoever has it: one method on one object until `expires_s` (epoch).

    `key_id`: in whose name. Of an upload also: `nonce`, good for one; the declared type; the largest size.
    """

    method: str
    bucket: str
    path: str
    expires_s: int
    key_id: str
    nonce: str = ""
    content_type: str = ""
    bytes_max: int = 0
