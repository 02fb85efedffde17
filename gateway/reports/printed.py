"""The shift report on paper: A4, one table for each of its parts."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.kernel.clock import parse
from gateway.kernel.errors import Invalid, Unsupported
from gateway.web.routes import Raw

Row = Sequence[Any]

_WORDS: dict[str, tuple[str, ...]] = {
    # en, nl, de
    "title": ("Shift report", "Ploegrapport", "Schichtbericht"),
    "all": ("All cells", "Alle cellen", "Alle Zellen"),
    "worked": ("Worked", "Gewerkt", "Gearbeitet"),
    "finished": ("Finished operations", "Gereed gemelde bewerkingen", "Fertige Arbeitsgänge"),
    "running": ("Running now", "Nu bezig", "Läuft jetzt"),
    "yield": ("Good share", "Aandeel goed", "Gutanteil"),
    "good": ("Good", "Goed", "Gut"),
    "scrap": ("Scrap", "Uitval", "Ausschuss"),
    "rework": ("Rework", "Nabewerken", "Nacharbeit"),
    "people": ("Hours", "Uren", "Stunden"),
    "operator": ("Operator", "Operator", "Bediener"),
    "setup": ("Setup", "Instellen", "Rüsten"),
    "operations": ("Operations", "Bewerkingen", "Arbeitsgänge"),
    "made": ("Work and quantities", "Werk en aantallen", "Arbeit und Mengen"),
    "cell": ("Cell", "Cel", "Zelle"),
    "job": ("Job", "Order", "Auftrag"),
    "part": ("Part", "Onderdeel", "Teil"),
    "operation": ("Operation", "Bewerking", "Arbeitsgang"),
    "planned": ("Planned", "Gepland", "Geplant"),
    "reasons": ("Scrap by reason", "Uitval naar oorzaak", "Ausschuss nach Ursache"),
    "reason": ("Reason", "Oorzaak", "Ursache"),
    "pieces": ("Pieces", "Stuks", "Stück"),
    "share": ("Share", "Aandeel", "Anteil"),
    "summed": ("Cumulative", "Cumulatief", "Kumuliert"),
    "stops": ("Stops", "Stilstanden", "Stillstände"),
    "what": ("What", "Wat", "Was"),
    "from": ("From", "Van", "Von"),
    "to": ("To", "Tot", "Bis"),
    "lasted": ("Lasted", "Duur", "Dauer"),
    "stands": ("still stands", "staat nog stil", "steht noch"),
    "none": ("None", "Geen", "Keine"),
}
LANGUAGES = ("en", "nl", "de")


class _Words:
    def __init__(self, language: str) -> None:
        if language not in LANGUAGES:
            message = f'language is "{language}": one of {", ".join(LANGUAGES)} is wanted'
            raise Invalid(message, [{"field": "language", "message": message, "constraint": "ENUM"}])
        self._column = LANGUAGES.index(language)

    def __getitem__(self, name: str) -> str:
        return _WORDS[name][self._column]


async def answer(report: Mapping[str, Any], language: str) -> Raw:
    """Raises Invalid for a language that we do not have, Unsupported without the extra `documents`."""
    body = await asyncio.to_thread(pdf, report, language)
    name = f"shift-{report['since'][:16].replace(':', '')}.pdf"
    return Raw("application/pdf", body, headers={"Content-Disposition": f'inline; filename="{name}"'})


def pdf(report: Mapping[str, Any], language: str) -> bytes:
    """`report`: of `shifts.shift_report`. Times are those of this machine's zone."""
    words = _Words(language)
    try:
        from gateway.reports.paper import Paper  # noqa: PLC0415 -- the library is optional, and slow to load
    except ImportError:
        raise Unsupported(
            "reports on paper want the extra `documents`: pip install 'eryxon-gateway[documents]', or print the page"
        ) from None
    paper = Paper(words["title"])
    paper.title(f"{words['title']} - {report['cell'] or words['all']}")
    paper.line(f"{_moment(report['since'])} - {_moment(report['until'])}")
    for heading, head, rows in _tables(report, words):
        paper.heading(heading)
        if rows:
            paper.table(head, rows)
        else:
            paper.line(words["none"])
    return paper.bytes()


def _tables(report: Mapping[str, Any], words: _Words) -> Iterable[tuple[str, Row, list[Row]]]:
    """(heading, head, rows) of each part of the report, in the order in which it is read."""
    pieces, operations = report["pieces"], report["operations"]
    yield (
        words["title"],
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
        words["reasons"],
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
