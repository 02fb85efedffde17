"""What `doctor` sees at the broker's address: a real Mosquitto with and without a password, and nobody."""

import pytest
from tcp import free_port
from uns_hall import HOST

from gateway.repairs.asking import seen
from gateway.repairs.facts import Broker
from gateway.sections import Broker as Settings


def at(port: int, mode: str = "external") -> Settings:
    return Settings.model_validate({"mode": mode, "host": HOST, "port": port})


async def test_one_that_lets_everybody_in(foreign):
    foreign.start("")
    assert await seen(at(foreign.port)) == Broker(reached=True, anonymous=True, on_lan=False)


async def test_one_that_asks_for_a_password(foreign):
    foreign.start("", more=f"password_file {foreign.password('anna', 'secret')}")
    told = await seen(at(foreign.port))
    assert (told.reached, told.anonymous) == (True, False)


async def test_nobody():
    told = await seen(at(free_port()))
    assert (told.reached, told.anonymous) == (False, False)
    assert told.error


@pytest.mark.parametrize("settings", [at(0, "auto"), at(1883, "off")])
async def test_an_address_that_is_not_fixed_is_not_asked(settings):
    assert await seen(settings) is None
