"""CSV <-> rows, pure. RFC 4180, CRLF, header = column names, nothing between two commas is null (`""` is the empty text).

A text that a spreadsheet would take for a formula is written with a `'` before it, and read without: exactly those, so that a
round trip loses nothing. (`'=1` that somebody wrote becomes `''=1`, and `'=1` again.)
"""

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, BinaryIO, TextIO

from gateway.catalog.resources import Kind
from gateway.kernel.errors import BadRequest, Invalid, TooLarge
from gateway.outbox.event import encode

BODY_MAX_BYTES = 20 * 1024 * 1024
LINES_MAX = 50_000  # in one body
RECORD_MAX_CHARACTERS = 16 * 1024 * 1024
DELIMITERS = ",;\t"  # of equally many the first
END = "\r\n"

_FORMULA = re.compile(r"'*[=+\-@\t\r\0]")
_GUARDED = re.compile(r"'+[=+\-@\t\r\0]")
_QUOTED = re.compile(r'[,"\r\n]|\A\s|\s\Z|\A\Z')
_INTEGER = re.compile(r"-?\d{1,300}")
_NUMBER = re.compile(r"-?\d{1,300}(\.\d{1,300})?([eE][+-]?\d{1,3})?")
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_BLANKS = re.compile(r"[\s_-]+")
_FIELDS = {one: re.compile(rf'(?:"([^"]*(?:""[^"]*)*)"|([^"{one}][^{one}]*|))({one}|\Z)') for one in DELIMITERS}
_IN_QUOTES = re.compile(r'"[^"]*"')

Cells = list[str | None]


# ------------------------------------------------------------------ rows -> CSV


def csv_line(values: Iterable[Any], kinds: Iterable[Kind]) -> str:
    """One line with its end."""
    return ",".join([_cell(value, kind) for value, kind in zip(values, kinds, strict=True)]) + END


def _cell(value: Any, kind: Kind) -> str:
    if value is None:
        return ""
    if kind in (Kind.JSON, Kind.LIST) or isinstance(value, dict | list):
        text = encode(value)
    elif isinstance(value, bool):
        return "true" if value else "false"
    elif isinstance(value, int | float):
        return repr(value)
    else:
        text = f"'{value}" if _FORMULA.match(value) else value
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


# ------------------------------------------------------------------ CSV -> rows


def text_of(stream: BinaryIO | IO[bytes]) -> TextIO:
    """UTF-8 with or without a mark at its beginning; lines keep their ends."""
    return io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")


def csv_lines(text: TextIO) -> Iterator[tuple[int, Cells]]:
    """(number of the line in the file, its cells without their guards), the header first. Empty lines are left out.

    The delimiter is that of the header. Raises Invalid, with the line.
    """
    delimiter, number = "", 1
    try:
        while line := text.readline(RECORD_MAX_CHARACTERS):
            begin, record = number, _record(text, line, number)
            number += record.count("\n") or 1
            bare = record.rstrip("\r\n")
            delimiter = delimiter or _sniffed(bare)
            if bare:
                yield begin, _cells(bare, delimiter, begin)
    except UnicodeDecodeError as exc:
        raise Invalid(f"line {number} or a little further on is not UTF-8: save the file as UTF-8") from exc


def csv_rows(text: TextIO, kinds: Mapping[str, Kind]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number of the line, row by column name as it stands in the header; null where nothing stands). Raises Invalid."""
    lines = csv_lines(text)
    _, header = next(lines, (0, []))
    names = _header(header)
    for number, cells in lines:
        _fits(names, cells, number)
        yield number, {name: read(cell, kinds.get(name)) for name, cell in zip(names, cells, strict=False)}


def csv_records(body: bytes, fields: Mapping[str, Kind]) -> list[tuple[int, dict[str, Any]]]:
    """What an ERP sent: (number of the line, record). `fields`: the names that are known.

    A name in the header is matched whatever its case, `_`, `-` and blanks; one that nobody knows stays as it is. Empty cells
    are left out, a cell that is not of its kind stays text: whoever validates the record names it. Raises BadRequest, with the
    line, and TooLarge.
    """
    if len(body) > BODY_MAX_BYTES:
        raise TooLarge(f"the file has more than {BODY_MAX_BYTES} bytes: send it in parts")
    known = {_matched(name): name for name in fields}
    records: list[tuple[int, dict[str, Any]]] = []
    try:
        lines = csv_lines(text_of(io.BytesIO(body)))
        _, header = next(lines, (0, []))
        names = _header([known.get(_matched(name or ""), name) for name in header])
        for number, cells in lines:
            _fits(names, cells, number)
            if len(records) == LINES_MAX:
                raise TooLarge(f"the file has more than {LINES_MAX} rows: send it in parts")
            filled = [(name, cell) for name, cell in zip(names, cells, strict=False) if cell]
            if filled:
                records.append((number, {name: read(cell, fields.get(name)) for name, cell in filled}))
    except Invalid as exc:
        raise BadRequest(exc.message) from exc
    return records


def read(cell: str | None, kind: Kind | None) -> Any:
    """The value of a cell; the text itself when it is not of that kind."""
    if cell is None:
        return None
    if kind is Kind.BOOLEAN:
        return _BOOLEANS.get(cell.strip().lower(), cell)
    if kind in (Kind.INTEGER, Kind.NUMBER) and _INTEGER.fullmatch(cell.strip()):
        return int(cell)
    if kind is Kind.NUMBER and _NUMBER.fullmatch(cell.strip()):
        return float(cell)
    if kind in (Kind.JSON, Kind.LIST):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell


def _record(text: TextIO, line: str, number: int) -> str:
    """The line and those after it, until its quotes are closed."""
    found, size, quotes = [line], len(line), line.count('"')
    while quotes % 2 or not found[-1].endswith(("\r", "\n")):
        if size >= RECORD_MAX_CHARACTERS:
            raise Invalid(f"line {number} does not end within {RECORD_MAX_CHARACTERS} characters: is a quote missing?")
        more = text.readline(RECORD_MAX_CHARACTERS)
        if not more:
            break
        found.append(more)
        size += len(more)
        quotes += more.count('"')
    if quotes % 2:
        raise Invalid(f"line {number}: a quote is opened and never closed")
    return "".join(found)


def _cells(record: str, delimiter: str, number: int) -> Cells:
    if '"' not in record:  # nearly every line
        return [_unguarded(cell) if cell else None for cell in record.split(delimiter)]
    cells: Cells = []
    at, pattern = 0, _FIELDS[delimiter]
    while True:
        found = pattern.match(record, at)
        if found is None:
            raise Invalid(f"line {number}: something follows the closing quote of cell {len(cells) + 1}")
        quoted, plain, end = found.groups()
        if quoted is not None:
            cells.append(_unguarded(quoted.replace('""', '"')))
        else:
            cells.append(_unguarded(plain) if plain else None)
        at = found.end()
        if not end:
            return cells


def _unguarded(text: str) -> str:
    return text[1:] if text[0:1] == "'" and _GUARDED.match(text) else text


def _sniffed(header: str) -> str:
    bare = _IN_QUOTES.sub("", header)
    return max(DELIMITERS, key=bare.count)


def _header(cells: Cells) -> list[str]:
    names = [(name or "").strip() for name in cells]
    while names and not names[-1]:
        names.pop()
    if not names or not all(names):
        raise Invalid("the first line has to name every column")
    if len(set(names)) != len(names):
        raise Invalid(f'the column "{next(name for name in names if names.count(name) > 1)}" stands there twice')
    return names


def _fits(names: list[str], cells: Cells, number: int) -> None:
    if any(cell is not None for cell in cells[len(names) :]):
        raise Invalid(f"line {number} has {len(cells)} cells for {len(names)} columns")


def _matched(name: str) -> str:
    return _BLANKS.sub("", name).lower()
