"""The office: people in the cloud who go on while the hall cannot be seen, at rows that the stations work on, too."""

import argparse
import asyncio
import json
import random
from pathlib import Path

import aiohttp
from plan import part_of

PAUSE_S = (0.05, 0.2)


async def main(work: dict, notes: Path, seed: int) -> None:
    """Each act that was answered 2xx is a line: {table, row, values}; `values` null: deleted."""
    rng = random.Random(seed)
    headers = {"Authorization": f"Bearer {work['key']}"}
    with notes.open("a", encoding="utf-8") as file:
        async with aiohttp.ClientSession(headers=headers) as session:
            for table, row, values in acts(work["stations"], rng):
                if values is None:
                    sent = session.delete(f"{work['url']}/api-{table}?id={row}")
                elif "action" in values:
                    url, body = "/api-operation-lifecycle", {"operation_id": row, **values}
                    sent = session.post(f"{work['url']}{url}/{values['action']}?id={row}", json=body)
                else:
                    sent = session.patch(f"{work['url']}/api-{table}?id={row}", json=values)
                async with sent as answer:
                    told = await answer.json()
                    if answer.status != 200:
                        raise SystemExit(f"{table} {row} {values} got {answer.status}: {told}")
                file.write(json.dumps({"table": table, "row": row, "values": values}) + "\n")
                file.flush()
                await asyncio.sleep(rng.uniform(*PAUSE_S))


def acts(stations: list[dict], rng: random.Random):
    """(table, row, values); lifecycle verbs as {"action": verb}, None to delete it."""
    for one in stations:
        started, completed, untouched, counted = one["contested"]
        for operation in (started, completed, untouched):
            for verb in ("start", "complete"):
                yield "operations", operation, {"action": verb}
        yield "operations", counted, {"action": "start"}
        yield "jobs", one["contested_job"], {"notes": f"office {rng.random()}", "customer": "Office"}
        yield "parts", one["contested_part"], {"quantity": rng.randint(100, 200), "material": "Brass"}
        yield "operations", one["doomed"], None
        yield "parts", part_of(one["doomed"]), None


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    for name in ("--work", "--notes"):
        arguments.add_argument(name, type=Path, required=True)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    asyncio.run(main(json.loads(given.work.read_text()), given.notes, given.seed))
