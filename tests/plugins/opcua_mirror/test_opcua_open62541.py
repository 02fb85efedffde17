"""The mirror with a third implementation of OPC UA: what an integrator does there with open62541."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENT = Path(__file__).with_name("open62541_client.py")
VISIT_MAX_S = 120


async def test_browse_read_subscribe_call_over_a_secured_channel(floor):
    cut, _ = await floor.plan("J-1")
    own = floor.client.own(datetime.now(UTC))
    given = {
        "url": floor.url,
        "certificate": str(floor.client.certificate),
        "key": str(floor.client.key),
        "server": str(floor.folder / "pki" / "own" / "certificate.pem"),
        "uri": own.uri,
        "users": floor.passwords,
        "order": cut,
    }
    visit = await asyncio.create_subprocess_exec(
        *(sys.executable, CLIENT, json.dumps(given)), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(VISIT_MAX_S):
        said, complaints = await visit.communicate()
    assert visit.returncode == 0, complaints.decode()
    seen = json.loads(said.decode().splitlines()[-1])

    assert (seen["cells"], seen["name"]) == (["Laser", "Saw"], "Laser")
    assert seen["orders"] == [[cut, "AllowedToStart"]]
    assert seen["material"] == ["Steel"]
    assert (seen["parameters"]["JobNumber"], seen["parameters"]["Quantity"]) == ("J-1", "5")
    assert seen["written"] == seen["viewer"] == seen["wrong_password"] == "BAD_USER_ACCESS_DENIED"
    assert seen["started"] == seen["paused"] == ["GOOD", 1]
    titles = [f"J-1 J-1-P Op 1: {state}" for state in ("Running", "Interrupted")]
    assert seen["events"] == [["ns=isa95_jobcontrol_v2;i=1006", title, 100] for title in titles]
    assert seen["missing"] == ["BAD_ARGUMENTS_MISSING"]
    assert seen["wrong"] == ["BAD_INVALID_ARGUMENT"]
    assert seen["in_the_clear"]  # no endpoint for who brings neither certificate nor name
