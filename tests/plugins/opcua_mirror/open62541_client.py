"""A client of a third implementation: open62541, as o6 has it. One visit of an integrator; what it saw is the last line on stdout.

    open62541_client.py '{"url": ..., "certificate": ..., "key": ..., "server": ..., "uri": ..., "users": {...}, "order": ...}'

A process of its own: without a licence the library ends its process after ten minutes.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import o6
from o6.ns import isa95_jobcontrol_v2 as job_control

assert job_control.datatypes  # loaded before connecting, else structures stay bytes
OURS = "http://eryxon.dev/UA/gateway/"
PAUSE_OF_TYPE = "ns=isa95_jobcontrol_v2;i=7007"
STATUS_EVENT = "ns=isa95_jobcontrol_v2;i=1006"
SECURE = {"securityMode": 3, "securityPolicy": "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256"}
WAIT_MAX_S = 30


def client(given: dict[str, Any], user: str, password: str | None = None) -> o6.Client:
    own = {"certificate": given["certificate"], "privateKey": given["key"], "applicationUri": given["uri"]}
    login = {"username": user, "password": password or given["users"][user]}
    return o6.Client(given["url"], trustList=[given["server"]], **own, **SECURE, **login)


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_MAX_S):
        while not fact():
            await asyncio.sleep(0.01)


async def refusal(what: Any) -> str:
    """The name of the status with which something is refused; empty when it is not."""
    try:
        await what
    except o6.StatusCodeError as exc:
        return o6.StatusCode(int(exc.code)).name
    return ""


async def called(here: o6.Client, cell: str, method: str, *arguments: Any) -> list[Any]:
    status, *outputs = await here.call(f"{cell}/JobOrderControl", method, [*arguments])
    return [status.name, *(int(one) for one in outputs)]


async def visit(here: o6.Client, order: str) -> dict[str, Any]:
    index = [str(one) for one in await here.read("i=2255")].index(OURS)
    cells = {str(one.displayName.text): str(one.nodeId) for one in await here.browse(f"ns={index};s=cells")}
    laser = cells["Laser"]
    changes: list[str] = []
    events: list[dict[str, Any]] = []
    await here.monitor(f"{laser}/active/Status", lambda value: changes.append(str(value)), queueSize=10)
    await here.monitorEvent(f"{laser}/JobOrderResults", events.append)
    await until(lambda: changes == [""])
    listed = await here.read(f"{laser}/JobOrderControl/JobOrderList")
    start, comment = f"{laser}/JobOrderControl/Start", [o6.LocalizedText("en", "from open62541")]
    seen = {
        "cells": sorted(cells),
        "name": str(await here.read(f"{laser}/Name")),
        "orders": [[str(one.jobOrder.jobOrderID), str(one.state[0].stateText.text)] for one in listed],
        "material": [str(one.materialDefinitionID) for one in listed[0].jobOrder.materialRequirements],
        "parameters": {str(one.iD): str(one.value) for one in listed[0].jobOrder.jobOrderParameters},
        "written": await refusal(here.write(f"{laser}/Name", "mine")),
        "started": await called(here, laser, start, order, comment),
    }
    await until(lambda: changes == ["", "in_progress"])
    seen["paused"] = await called(here, laser, PAUSE_OF_TYPE, order, comment)
    await until(lambda: changes == ["", "in_progress", ""] and len(events) == 2)
    seen["events"] = [[str(one["/EventType"]), str(one["/Message"].text), int(one["/Severity"])] for one in events]
    seen["missing"] = await called(here, laser, start, order)
    seen["wrong"] = await called(here, laser, start, 7, comment)
    return seen


async def main(given: dict[str, Any]) -> None:
    async with client(given, "olga") as here:
        seen = await visit(here, given["order"])
    async with client(given, "vera") as viewer:
        index = [str(one) for one in await viewer.read("i=2255")].index(OURS)
        cell = next(str(one.nodeId) for one in await viewer.browse(f"ns={index};s=cells"))
        seen["viewer"] = await refusal(viewer.call(f"{cell}/actions", f"{cell}/actions/Start", ["", ""]))
    seen["wrong_password"] = await refusal(client(given, "vera", "wrong").connect())
    seen["in_the_clear"] = await refusal(o6.Client(given["url"]).connect())
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
