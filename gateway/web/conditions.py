"""`If-Match` and `If-None-Match`: for which state of a row or list a request is meant. Pure.

The tag of one row is `"<row_version>-<the rest>"`, so that whoever writes compares versions; the rest changes with
everything else that is shown with the row. The tag of a list is the rest alone.
"""

import re

from gateway.kernel.errors import BadRequest

ANY = "*"
VERSION_DIGITS_MAX = 18

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\U0010ffff]*"'
_TAGS = re.compile(rf"\s*{_TAG}(?:\s*,\s*{_TAG})*\s*,?\s*")
_ONE = re.compile(r'"([^"]*)"')
_VERSION = re.compile(rf"(\d{{1,{VERSION_DIGITS_MAX}}})(?:-.*)?", re.ASCII)


def tags(header: str) -> tuple[str, ...]:
    """What stands between the quotes; nothing when it is no list of tags. Weak ones are compared like the others."""
    return tuple(_ONE.findall(header)) if _TAGS.fullmatch(header) else ()


def seen(header: str, tag: str) -> bool:
    """Does `If-None-Match` name this tag? `tag` as it goes out, with its quotes."""
    return bool(header) and (header.strip() == ANY or tag.strip('"') in tags(header))


def row_seen(header: str, rest: str) -> str | None:
    """The tag in `If-None-Match` that a row with this rest has: then its version is that of the row, too."""
    found = (tag for tag in tags(header) if tag.partition("-")[2] == rest and _VERSION.fullmatch(tag))
    return next((f'"{tag}"' for tag in found), None)


def versions(header: str) -> frozenset[int] | None:
    """The row versions that `If-Match` names; None: any, as long as the row is there. Raises BadRequest."""
    if header.strip() == ANY:
        return None
    if not (found := tags(header)):
        raise BadRequest(
            f'If-Match must be *, or a row\'s ETag such as "7", with its quotes: {header[:80]!r} is neither'
        )
    matches = (_VERSION.fullmatch(tag) for tag in found)
    return frozenset(int(match[1]) for match in matches if match)
