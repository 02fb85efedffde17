"""One gateway with the mirror and a machine for each file: its server takes seconds to start."""

import pytest_asyncio
from opcua_hall import opened

COUNTER = {"device": "laser-1", "input": "counter/good", "rule": "counter_delta", "report": "quantity_good"}
STATES = {"device": "laser-1", "input": "state", "rule": "state_map", "map": {"4": "running"}}
UNS = {"device": [{"id": "laser-1", "cells": ["Laser"]}], "mapping": [COUNTER, STATES]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def floor(tmp_path_factory):
    async with opened(tmp_path_factory.mktemp("opcua"), UNS) as floor:
        await floor.listening()
        floor.trust()
        floor.user("olga")
        floor.user("vera", "viewer")
        floor.user("sam", cells=("Saw",))
        yield floor
