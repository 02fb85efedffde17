"""The shift report on paper: A4, one table for each of its parts."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.kernel.clock import parse
from gateway.kernel.errors import Invalid, Unsupported
from gateway.web.routes import Raw

Row = Sequence[Any]

LANGUAGES = ("en", "nl", "de")
# The same words as on the page.
_WORDS = Path(__file__).parent.parent / "screens" / "static" / "i18n"


def _words(language: str) -> Mapping[str, Any]:
    if language not in LANGUAGES:
        message = f'language is "{language}": one of {", ".join(LANGUAGES)} is wanted'
        raise Invalid(message, [{"field": "language", "message": message, "constraint": "ENUM"}])
    words: Mapping[str, Any] = json.loads((_WORDS / f"{language}.json").read_text(encoding="utf-8"))["reports"]
    return words


async def answer(report: Mapping[str, Any], language: str) -> Raw:
    """Raises Invalid for a language that we do not have, Unsupported without the extra `documents`."""
    body = await asyncio.to_thread(pdf, report, language)
    name = f"shift-{report['since'][:16].replace(':', '')}.pdf"
    return Raw("application/pdf", body, headers={"Content-Disposition": f'inline; filename="{name}"'})


def pdf(report: Mapping[str, Any], language: str) -> bytes:
    """`report`: of `shifts.shift_report`. Times are those of this machine's zone."""
    words = _words(language)
    try:
        from gateway.reports.paper import Paper  # noqa: PLC0415 -- the library is optional, and slow to load
    except ImportError:
        raise Unsupported(
            "reports on paper want the extra `documents`: pip install 'eryxon-gateway[documents]', or print the page"
        ) from None
    paper = Paper(words["shift"])
    paper.title(f"{words['shift']} - {report['cell'] or words['all_cells']}")
    paper.line(f"{_moment(report['since'])} - {_moment(report['until'])}")
    for heading, head, rows in _tables(report, words):
        paper.heading(heading)
        if rows:
            paper.table(head, rows)
        else:
            paper.line(words["nothing"])
    return paper.bytes()


def _tables(report: Mapping[str, Any], words: Mapping[str, Any]) -> Iterable[tuple[str, Row, list[Row]]]:
    """(heading, head, rows) of each part of the report, in the order in which it is read."""
    pieces, operations = report["pieces"], report["operations"]
    yield (
        words["shift"],
        [words[name] for name in ("worked", "good", "scrap", "rework", "yield", "finished", "running")],
        [
            [
                hours(report["worked_s"]),
                *(pieces[name] for name in ("good", "scrap", "rework")),
                f"{pieces['yield_percent']} %",
                operations["completed"],
                operations["running"],
            ]
        ],
    )
    yield (
        words["people"],
        [words[name] for name in ("operator", "worked", "setup", "operations")],
        [
            [one["operator"], hours(one["worked_s"]), hours(one["setup_s"]), one["operations"]]
            for one in report["people"]
        ],
    )
    yield (
        words["made"],
        [words[name] for name in ("cell", "job", "part", "operation", "planned", "good", "scrap", "rework", "worked")],
        [
            [
                *(one[name] for name in ("cell", "job_number", "part_number", "operation_name", "planned")),
                *(one[name] for name in ("good", "scrap", "rework")),
                hours(one["worked_s"]),
            ]
            for one in report["made"]
        ],
    )
    yield (
        words["scrap_of_shift"],
        [words[name] for name in ("reason", "what", "pieces", "share", "summed")],
        [
            [
                *(one[name] for name in ("code", "description", "quantity")),
                *(f"{one[name]} %" for name in ("percentage", "cumulative_percentage")),
            ]
            for one in report["scrap"]
        ],
    )
    yield (
        words["stops"],
        [words[name] for name in ("what", "cell", "job", "from", "to", "lasted")],
        [
            [
                *(one[name] for name in ("title", "cell", "job_number")),
                _moment(one["since"]),
                _moment(one["until"]) if one["until"] else words["stands"],
                hours(one["lasted_s"]),
            ]
            for one in report["stops"]
        ],
    )


def hours(seconds: int) -> str:
    """7 h 05 min"""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def _moment(instant: str) -> str:
    local: datetime = parse(instant).astimezone()
    return local.strftime("%Y-%m-%d %H:%M")
