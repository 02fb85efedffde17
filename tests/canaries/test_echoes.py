"""Whoever answers with what he was told: the hub, and texts in general."""

import contextlib

import aiohttp
import pytest
from servers import Rude

from gateway.kernel.clock import SystemClock
from gateway.kernel.errors import GatewayError
from gateway.kernel.secrets import kept_back
from gateway.upstream.client import HubClient

KEY = "a key of 4ub c4n4ry"


async def test_a_hub_that_tells_our_key_in_its_refusal_is_not_quoted():
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        rude = await stack.enter_async_context(Rude("", session, KEY, broken=True).serving())
        hub = HubClient(f"{rude.url}/functions/v1", KEY, SystemClock(), timeout_s=20)
        await stack.enter_async_context(hub.connected())
        for ask in (hub.capabilities(), hub.forward("{}"), anext(hub.snapshot("all"))):
            with pytest.raises(GatewayError) as refused:
                await ask
            assert "Bearer ***" in refused.value.message
            assert KEY not in f"{refused.value.message} {refused.value.details}"
    assert rude.refused == 3


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("no secrets", "no secrets"),
        ("Bearer s3cret-longer, s3cret", "Bearer ***, ***"),
        ("the pin is in every text", "the pin is in every text"),
        ("", ""),
    ],
)
def test_what_was_told_is_taken_out_the_longest_first(text, left):
    assert kept_back(text, ("s3cret", "s3cret-longer", "pin", "")) == left
