"""Somebody who looks at every gateway's /healthz five times a second and writes down what it says of its way to the cloud."""

import argparse
import asyncio
import json
from pathlib import Path

import aiohttp

EVERY_S = 0.2
ANSWER_MAX_S = 2.0


async def watch(session: aiohttp.ClientSession, box: dict, file) -> None:
    headers = {"Authorization": f"Bearer {box['key']}"}
    while True:
        try:
            async with session.get(f"{box['url']}/healthz", headers=headers) as answer:
                told = await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError):
            told = {}  # it is killed, stopped or starting
        if link := told.get("links", {}).get("cloud"):
            file.write(json.dumps({"gateway": box["name"], "head": told["journal_head"], **link}) + "\n")
            file.flush()
        await asyncio.sleep(EVERY_S)


async def main(boxes: list[dict], path: Path) -> None:
    timeout = aiohttp.ClientTimeout(total=ANSWER_MAX_S)
    with path.open("a", encoding="utf-8") as file:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            await asyncio.gather(*(watch(session, box, file) for box in boxes))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    for name in ("--boxes", "--seen"):
        arguments.add_argument(name, type=Path, required=True)
    given = arguments.parse_args()
    asyncio.run(main(json.loads(given.boxes.read_text()), given.seen))
