"""Somebody who listens to the event stream, comes back when the broker does, and writes down what arrives."""

import argparse
import asyncio
import json
from pathlib import Path

import aiomqtt

AGAIN_S = 0.3


async def main(host: str, port: int, user: str, password: str, topic: str, path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        while True:
            try:
                async with aiomqtt.Client(
                    host,
                    port,
                    username=user,
                    password=password,
                    identifier="drill-listener",
                    protocol=aiomqtt.ProtocolVersion.V5,
                ) as client:
                    await client.subscribe(topic, qos=1)
                    async for message in client.messages:
                        told = json.loads(message.payload or "{}")  # empty: something retained was taken back
                        if isinstance(told, dict) and "seq" in told and "prev" in told:
                            file.write(json.dumps({name: told[name] for name in ("seq", "prev", "epoch", "id")}) + "\n")
                            file.flush()
            except aiomqtt.MqttError:
                await asyncio.sleep(AGAIN_S)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    for name in ("--host", "--user", "--password", "--topic"):
        arguments.add_argument(name, required=True)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--heard", type=Path, required=True)
    given = arguments.parse_args()
    asyncio.run(main(given.host, given.port, given.user, given.password, given.topic, given.heard))
