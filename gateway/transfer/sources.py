"""What an import reads: a JSON document, a CSV file named after its table, or a zip of those, of any size.

A file is looked through once, so that what is wrong with it is said before anything is written, and read again table by table
in the order in which they can be written. No more of it than one row is ever held.
"""

import codecs
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from gateway.catalog.resources import Kind
from gateway.kernel.errors import Invalid
from gateway.kernel.ids import is_uuid
from gateway.transfer.files import csv_rows, text_of
from gateway.transfer.tables import IMPORTED

ROWS_MAX = 5_000_000
CHUNK_BYTES = 512 * 1024
VALUE_MAX_CHARACTERS = 16 * 1024 * 1024  # one row
UNPACKED_MAX_BYTES = 16 * 1024 * 1024 * 1024  # of a zip
_BLANK = " \t\r\n"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # with files in it, and without

_INDEX = "{}[{}]"
_LINE = "{} line {}"

Row = Mapping[str, Any]
Placed = tuple[int, Row]  # a row and its place in its table, for errors
Kinds = Mapping[str, Mapping[str, Kind]]  # table -> column -> how its values are read


@dataclass(frozen=True, slots=True)
class Found:
    """One table in a file. `rows` reads it anew each time; `place` is how the table and a place in it are written."""

    table: str
    count: int
    rows: Callable[[], Iterator[Placed]]
    place: str = _INDEX


def in_file(path: Path, name: str, kinds: Kinds) -> list[Found]:
    """The tables in the file at `path`, which the sender calls `name`. Raises Invalid, with the table and the row."""
    with path.open("rb") as stream:
        begin = stream.read(CHUNK_BYTES)
    if begin.startswith(_ZIP):
        return _in_order(_in_zip(path, kinds))
    if Path(name).suffix.lower() == ".csv":
        return _in_order([_looked_through(Path(name).stem, partial(_csv, path, kinds), _LINE)])
    return _in_order(_in_json(path))


def in_memory(tables: Any) -> list[Found]:
    """The same for `{"cells": [...], ...}`."""
    if not isinstance(tables, dict):
        raise Invalid(_SHAPE)
    found = []
    for table, rows in tables.items():
        if table.startswith("_"):
            continue
        if table in IMPORTED and not isinstance(rows, list):
            raise Invalid(f"{table}: a list of rows is wanted")
        found.append(_looked_through(table, partial(_numbered, rows), _INDEX))
    return _in_order(found)


def _numbered(rows: list[Row], _table: str) -> Iterator[Placed]:
    return enumerate(rows)


_SHAPE = 'an import is an object with tables in it: {"cells": [...], ...}'


def _in_order(found: list[Found]) -> list[Found]:
    """Raises Invalid when there are too many rows, or a table twice."""
    if sum(one.count for one in found) > ROWS_MAX:
        raise Invalid(f"more than {ROWS_MAX} rows: import them in parts")
    names = [one.table for one in found]
    for name in names:
        if names.count(name) > 1:
            raise Invalid(f"{name}: the table stands there twice")
    return sorted(found, key=lambda one: IMPORTED.index(one.table) if one.table in IMPORTED else len(IMPORTED))


def _looked_through(table: str, rows: Callable[[str], Iterator[Placed]], place: str) -> Found:
    """Every row is an object with an id. What is not kept here is not looked at."""
    count = 0
    if table in IMPORTED:
        for at, row in rows(table):
            _check(place.format(table, at), row)
            count += 1
    return Found(table, count, partial(rows, table), place)


def _check(place: str, row: Any) -> None:
    if not isinstance(row, dict) or not is_uuid(str(row.get("id"))):
        raise Invalid(f"{place}: a row with an id (a UUID) is wanted")


# ------------------------------------------------------------------ CSV, alone or in a zip


def _csv(path: Path, kinds: Kinds, table: str) -> Iterator[Placed]:
    with path.open("rb") as stream, text_of(stream) as text:
        yield from csv_rows(text, kinds.get(table, {}))


def _in_zip(path: Path, kinds: Kinds) -> list[Found]:
    try:
        with zipfile.ZipFile(path) as packed:
            members = [one for one in packed.infolist() if not one.is_dir()]
    except (zipfile.BadZipFile, OSError) as exc:
        raise Invalid(f"the zip cannot be read: {exc}") from exc
    if sum(one.file_size for one in members) > UNPACKED_MAX_BYTES:
        raise Invalid(f"the zip holds more than {UNPACKED_MAX_BYTES} bytes: import it in parts")
    found = []
    for member in members:
        name = Path(member.filename)
        if name.suffix.lower() == ".csv":
            found.append(_looked_through(name.stem, partial(_packed, path, member.filename, kinds), _LINE))
    return found


def _packed(path: Path, member: str, kinds: Kinds, table: str) -> Iterator[Placed]:
    try:
        with zipfile.ZipFile(path) as packed, packed.open(member) as stream, text_of(stream) as text:
            yield from csv_rows(text, kinds.get(table, {}))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as exc:
        raise Invalid(f"{member} in the zip cannot be read: {exc}") from exc


# ------------------------------------------------------------------ JSON


def _in_json(path: Path) -> list[Found]:
    """Looks through the whole document and remembers where in the file each table begins."""
    found: list[Found] = []
    with path.open("rb") as stream:
        text = _Json(stream)
        if text.peek() == "\ufeff":
            text.take("\ufeff")
        if text.peek() in ("[", '"'):
            raise Invalid(_SHAPE)
        text.take("{")
        mark = text.take("}") if text.peek() == "}" else ","
        while mark == ",":
            table = text.value()
            if not isinstance(table, str):
                raise text.wrong("a name is wanted")
            text.take(":")
            if text.peek() == "[":
                begin = text.offset
                count = sum(1 for _ in _checked(table, text.items()))
                if not table.startswith("_"):
                    found.append(Found(table, count if table in IMPORTED else 0, partial(_items, path, begin)))
            elif table in IMPORTED:
                raise Invalid(f"{table}: a list of rows is wanted")
            else:
                text.value()
                if not table.startswith("_"):
                    found.append(Found(table, 0, partial(iter, ())))
            mark = text.take(",", "}")
        if text.peek():
            raise text.wrong("something follows its end")
    return found


def _checked(table: str, rows: Iterator[Placed]) -> Iterator[Placed]:
    """`_metadata` and the like tell about the file, and what is not kept here is only named."""
    for at, row in rows:
        if table in IMPORTED:
            _check(_INDEX.format(table, at), row)
        yield at, row


def _items(path: Path, offset: int) -> Iterator[Placed]:
    with path.open("rb") as stream:
        yield from _Json(stream, offset).items()


class _NotANumber(ValueError):
    """NaN and its like, which JSON does not have."""


def _no_number(name: str) -> NoReturn:
    raise _NotANumber(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


class _Json:
    """A JSON text in UTF-8 from a byte of a file on, read value by value."""

    def __init__(self, stream: BinaryIO, offset: int = 0) -> None:
        stream.seek(offset)
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._taken = offset  # bytes out of the file
        self._buffer = ""
        self._at = 0
        self._ended = False

    @property
    def offset(self) -> int:
        """The byte in the file at which we stand."""
        pending, _ = self._decoder.getstate()
        return self._taken - len(pending) - len(self._buffer[self._at :].encode())

    def peek(self) -> str:
        """The next character that is not blank; nothing at the end."""
        while True:
            while self._at < len(self._buffer):
                if self._buffer[self._at] not in _BLANK:
                    return self._buffer[self._at]
                self._at += 1
            if self._ended:
                return ""
            self._more()

    def take(self, *marks: str) -> str:
        mark = self.peek()
        if mark not in marks:
            raise self.wrong(f"{' or '.join(marks)} is wanted")
        self._at += 1
        return mark

    def items(self) -> Iterator[Placed]:
        """What stands in a list."""
        self.take("[")
        mark, place = self.take("]") if self.peek() == "]" else ",", 0
        while mark == ",":
            yield place, self.value()
            mark, place = self.take(",", "]"), place + 1

    def value(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._at)
            except (_NotANumber, RecursionError) as exc:
                raise self.wrong(str(exc)) from exc
            except ValueError as exc:
                if self._ended or len(self._buffer) - self._at > VALUE_MAX_CHARACTERS:
                    raise self.wrong(str(exc).partition(":")[0]) from exc
            else:
                if end < len(self._buffer) or self._ended:  # a number at the end could go on
                    self._at = end
                    return value
            self._more()

    def wrong(self, why: str) -> Invalid:
        return Invalid(f"the file is not JSON: {why} (byte {self.offset})")

    def _more(self) -> None:
        raw = self._stream.read(CHUNK_BYTES)
        self._ended = not raw
        self._taken += len(raw)
        try:
            text = self._decoder.decode(raw, final=self._ended)
        except UnicodeDecodeError as exc:
            raise Invalid(f"the file is not JSON: it is not UTF-8 (before byte {self._taken})") from exc
        self._buffer, self._at = self._buffer[self._at :] + text, 0
