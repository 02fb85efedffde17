"""What a backup says of itself, and how its members are called."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.kernel import clock as time_
from gateway.kernel.errors import Invalid

FORMAT = 1
MANIFEST, DATABASE, CONFIGURATION, SECRETS = "manifest.json", "database.sqlite", "gateway.toml", "secrets.sealed"
FILES = "files/"  # before bucket and id
_FIXED = {DATABASE, CONFIGURATION, SECRETS}
_FILE = re.compile(r"files/[a-z0-9][a-z0-9-]{0,62}/[A-Za-z0-9][A-Za-z0-9-]{0,126}")
_NAME = re.compile(r"(?P<gateway>[a-z0-9][a-z0-9-]{0,62})-(?P<at>\d{8}T\d{6}Z)\.backup\.zip")
_AT = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class Member:
    """`bytes`, `sha256`: of the content, not of what it is packed to."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What one moment of the database holds. `pending`: entries that the cloud did not have yet."""

    schema: int
    device_id: str
    epoch: int
    journal_head: int
    pending: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Manifest:
    """`files_missing`: bucket and id of files that the database lists and whose bytes were not there any more."""

    made_at: str
    version: str
    gateway: str
    contents: Contents
    members: Mapping[str, Member]
    files_missing: tuple[str, ...] = field(default=())

    @property
    def secrets(self) -> bool:
        return SECRETS in self.members

    @property
    def bytes(self) -> int:
        """Of everything, unpacked."""
        return sum(member.bytes for member in self.members.values())

    def text(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False, indent=1)

    def told(self) -> dict[str, Any]:
        """For people and programs: in short."""
        found = self.contents
        return {
            "made_at": self.made_at,
            "gateway": self.gateway,
            "version": self.version,
            "schema": found.schema,
            "epoch": found.epoch,
            "journal_head": found.journal_head,
            "pending": found.pending,
            "rows": sum(found.counts.values()),
            "files": sum(name.startswith(FILES) for name in self.members),
            "files_missing": len(self.files_missing),
            "secrets": self.secrets,
        }


def read(text: bytes) -> Manifest:
    """Raises Invalid for what is no manifest, or names members that no backup has."""
    try:
        tree = json.loads(text)
        if tree["format"] != FORMAT:
            raise Invalid(f"it has the format {tree['format']}, this gateway reads {FORMAT}: take a newer gateway")
        members = {str(name): Member(int(one["bytes"]), str(one["sha256"])) for name, one in tree["members"].items()}
        found = tree["contents"]
        contents = Contents(
            int(found["schema"]),
            str(found["device_id"]),
            int(found["epoch"]),
            int(found["journal_head"]),
            int(found["pending"]),
            {str(table): int(count) for table, count in found["counts"].items()},
        )
        at = time_.text(time_.parse(str(tree["made_at"])))
        missing = tuple(map(str, tree["files_missing"]))
        made = Manifest(at, str(tree["version"]), str(tree["gateway"]), contents, members, missing)
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise Invalid(f"its {MANIFEST} cannot be read ({exc!r})") from exc
    strange = [name for name in members if name not in _FIXED and _FILE.fullmatch(name) is None]
    if strange or not {DATABASE, CONFIGURATION} <= members.keys():
        raise Invalid(f"its {MANIFEST} names other members than a backup has ({strange[:3] or sorted(members)[:3]})")
    return made


def name(gateway: str, at: datetime) -> str:
    return f"{gateway}-{at.strftime(_AT)}.backup.zip"


def named_at(file: str) -> datetime | None:
    """When the backup of this name was made; None: it is no name of ours."""
    found = _NAME.fullmatch(file)
    return None if found is None else datetime.strptime(found["at"], _AT).replace(tzinfo=UTC)


def of_gateway(file: str) -> str | None:
    """Whose backup a file of this name is."""
    found = _NAME.fullmatch(file)
    return None if found is None else found["gateway"]
