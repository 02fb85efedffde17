"""A file -> calls of the REST API, and their answers -> a report that people can read. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.plugin_api import Outcome, Request, Upload
from plugins.csv_dropbox.folder import FILE_MAX_BYTES, TABLES, Read

RECORDS_MAX = 1_000  # in one call of JSON
TOLD_MAX = 1_000  # errors in one report
CSV = "text/csv"
UNIFIED = "/api-erp-sync/sync"
WAY_OUT = f"Mend the file and drop it again. Its name begins with one of: {', '.join(TABLES)}."


class Unusable(Exception):
    """A file that is no order. The text is for people."""


@dataclass(slots=True)
class Tally:
    """What became of a file. `errors`: lines for people; `refused` counts them all."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    errors: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return bool(self.refused or self.errors)

    def add(self, outcome: Outcome) -> None:
        answer = json.loads(outcome.body)
        if not outcome.good:
            self._say(_told(answer["error"]))
        elif "entities" in answer["data"]:
            for table, one in answer["data"]["entities"].items():
                self._count(one, one["results"], f"{table}: ")
        else:
            data = answer["data"]
            detailed = isinstance(data["results"], list)  # `[compat] bulk_sync_shape` has no details but errors
            self._count(data, data["results"] if detailed else data["summary"]["errors"], "")

    def _count(self, counts: Mapping[str, Any], results: Sequence[Mapping[str, Any]], prefix: str) -> None:
        self.created += counts["created"]
        self.updated += counts["updated"]
        self.unchanged += counts["skipped"]
        self.refused += counts["errors"]
        for one in results:
            if one.get("error"):
                self._say(f"{prefix}{_whose(one)}: {one['error']}")

    def _say(self, line: str) -> None:
        if len(self.errors) < TOLD_MAX:
            self.errors.append(line)


def requests(one: Read, external_source: str) -> list[Request]:
    """In order; each with a key of its own, the same whenever the same file is read. Raises Unusable."""
    path, body, table = one.lying.path, one.body, one.lying.table
    if len(body) > FILE_MAX_BYTES:
        raise Unusable(f"The file has more than {FILE_MAX_BYTES // 2**20} MiB: split it.")
    query = {"external_source": external_source}
    if path.suffix.lower() == ".csv":
        if table is None:
            raise Unusable(f'From the name "{path.name}" nobody can tell what is in it. {WAY_OUT}')
        return [Request("POST", f"/api-{table}/bulk-sync", query, key=one.digest, upload=Upload(CSV, body))]
    given = _parsed(body)
    if table is None:
        if not isinstance(given, dict):
            raise Unusable(f'"{path.name}" holds no object with lists by their table. {WAY_OUT}')
        return [Request("POST", UNIFIED, body=_sourced(given, external_source), key=one.digest)]
    records = _records(given, table)
    return [
        Request(
            "POST",
            f"/api-{table}/bulk-sync",
            query,
            {"items": records[first : first + RECORDS_MAX]},
            f"{one.digest}:{first}",
        )
        for first in range(0, len(records) or 1, RECORDS_MAX)
    ]


def report(one: Read, tally: Tally) -> str:
    """As it is put beside the file."""
    taken = tally.created + tally.updated + tally.unchanged
    lines = [
        f"{one.lying.path.name}: {taken} of {taken + tally.refused} records taken over, {tally.refused} refused",
        f"  {tally.created} created, {tally.updated} updated, {tally.unchanged} had nothing new",
    ]
    if tally.errors:
        lines += ["", *tally.errors]
        if tally.refused > len(tally.errors):
            lines.append(f"... and {tally.refused - len(tally.errors)} more")
        lines += ["", "What was taken over stays. Mend the rest and drop it again: what is there already is no error."]
    return "\n".join(lines) + "\n"


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError as exc:
        raise Unusable(f"The file is not UTF-8 (at byte {exc.start}): save it as UTF-8.") from None
    except (ValueError, RecursionError) as exc:
        raise Unusable(f"The file is no JSON: {exc}.") from None


def _records(given: Any, table: str) -> list[Any]:
    """A list, or an object that holds it under `items` or the table's name, and nothing else."""
    found = given
    if isinstance(given, dict) and len(given) == 1:
        found = given.get("items", given.get(table))
    if not isinstance(found, list):
        raise Unusable(f'The file holds no list of {table}: as [...], {{"items": [...]}} or {{"{table}": [...]}}.')
    return found


def _sourced(given: dict[str, Any], external_source: str) -> dict[str, Any]:
    """Records that name no source get it: the unified route has no parameter for that."""
    return {
        name: [_named(one, external_source) for one in value] if name in TABLES and isinstance(value, list) else value
        for name, value in given.items()
    }


def _named(record: Any, external_source: str) -> Any:
    if not isinstance(record, dict) or record.get("external_source"):
        return record
    return {**record, "external_source": external_source}


def _whose(result: Mapping[str, Any]) -> str:
    record = result.get("item", result)
    external = record.get("external_id") if isinstance(record, Mapping) else None
    if "line" in result:
        return f'line {result["line"]}, external_id "{external}"'
    return (
        f'record {result["index"] + 1}, external_id "{external}"' if "index" in result else f'external_id "{external}"'
    )


def _told(error: Mapping[str, Any]) -> str:
    details = error.get("details")
    more = [one["message"] for one in details if one.get("message")] if isinstance(details, list) else []
    return "; ".join(dict.fromkeys([error["message"], *more]))
