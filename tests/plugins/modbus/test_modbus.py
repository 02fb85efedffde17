"""Machine -> registers -> counter rule -> pieces, whatever goes off and on on the way."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from plc import HOST, SIZE, Plc
from pydantic import ValidationError
from tcp import serving
from waiting import until
from works import GOOD, STATES, becomes, furnished, killed_meanwhile

from plugins.modbus.registers import blocks, number, text
from plugins.modbus.settings import Tag

RESTARTS = 10
TAGS = (
    {"to": "counter/good", "address": 0, "type": "uint32"},
    {"to": "state", "address": 2},
    {"to": "tag/door", "address": 3, "table": "coil"},
    {"to": "tag/temperature", "address": 4, "table": "input", "type": "float32", "word_order": "little", "scale": 0.5},
)
MAPPINGS = (
    GOOD,
    STATES,
    {"device": "laser-1", "input": "tag/door", "rule": "edge", "report": "quantity_scrap", "flush": "50ms"},
    {"device": "laser-1", "input": "tag/temperature", "rule": "gauge"},
)


@pytest.fixture
async def plc() -> AsyncIterator[Plc]:
    found = Plc()
    await found.on()
    yield found
    await found.off()


def reading(plc: Plc, *tags: dict, **more) -> dict:
    device = {
        "device": "laser-1",
        "host": HOST,
        "port": plc.port,
        "every": "50ms",
        "timeout": "2s",
        "tag": list(tags or TAGS[:2]),
    }
    return {"modbus": {"device": [{**device, **more}]}}


async def test_registers_and_coils_become_pieces_a_state_and_what_is_shown(works, plc):
    await plc.count(100_000)
    await plc.set("holding", 2, 4)
    await plc.set("input", 4, 0x0000, 0x4228)  # 42.0, the low word first
    plc.asked.clear()  # by ourselves
    shop = await works(plugin=reading(plc, *TAGS), mappings=MAPPINGS)
    await shop.seen(21.0, "tag/temperature")
    assert {*plc.asked} == {(3, 0, 3), (1, 3, 1), (4, 4, 2)}
    await shop.seen(100_000)
    await shop.stood("running")
    await plc.count(100_007)
    await plc.set("coil", 3, True)
    await shop.counted(7)
    await shop.seen(1, "tag/door!rising")
    assert (await shop.stands()).quality == "good"
    rows = await shop.query("SELECT DISTINCT json_extract(metadata, '$.cause') FROM operation_quantities")
    assert rows == [("modbus:laser-1",)]
    assert shop.link("modbus").state == "up"


async def test_bits_and_texts_of_registers_count_too(works, plc):
    status = {"to": "tag/reject", "address": 12, "bit": 3}
    done = {"to": "tag/done", "address": 13, "type": "string", "length": 4}
    mappings = (
        {"device": "laser-1", "input": "tag/reject", "rule": "edge", "report": "quantity_scrap", "flush": "50ms"},
        {"device": "laser-1", "input": "tag/done", "rule": "cycle", "flush": "50ms"},
    )
    shop = await works(plugin=reading(plc, status, done), mappings=mappings)
    scrap = "SELECT coalesce(sum(quantity_scrap), 0) FROM operation_quantities"
    for word, cycle, rejected, good in (
        (0b0111, "c-0", 0, 1),
        (0b1000, "c-0", 1, 1),
        (0b1001, "c-1", 1, 2),
        (0b0001, "c-1", 1, 2),
        (0b1100, "c-2", 2, 3),
    ):
        await plc.set("holding", 12, word, *written(cycle))
        looked = len(plc.asked)
        await until(lambda since=looked: len(plc.asked) > since + 1, "that it has looked since")
        await becomes(partial(shop.query, scrap), [(rejected,)])
        await shop.counted(good)


def written(said: str) -> list[int]:
    packed = said.encode().ljust(8, b"\0")
    return [int.from_bytes(packed[at : at + 2], "big") for at in range(0, 8, 2)]


async def test_a_plc_that_goes_off_and_on_ten_times_loses_no_piece(works, plc):
    await plc.count(5)
    shop = await works(plugin=reading(plc))
    await shop.seen(5)
    made = 5
    for round_ in range(RESTARTS):
        await plc.count(made := made + 3)
        await plc.off()
        await shop.says("modbus", f"Modbus at {HOST}:{plc.port}")
        made += 4  # while nobody looks
        await plc.count(made)
        await plc.on()
        await shop.reads("modbus")
        await shop.seen(made)
        assert shop.machine("modbus")["refused"] == 0, round_
    await shop.counted(made - 5)
    assert (await shop.stands()).quality == "good"


async def test_the_gateway_is_killed_and_books_every_piece_once(tmp_path, plc):
    await killed_meanwhile(await furnished(tmp_path, reading(plc)), plc.count)


async def test_what_the_plc_refuses_is_named_and_the_rest_is_read(works, plc):
    """Beyond its addresses; a counter of which nobody knows the value is not booked."""
    beyond = {"to": "counter/scrap", "address": SIZE + 5}
    shop = await works(plugin=reading(plc, TAGS[0], beyond))
    await shop.says("modbus", f"holding {SIZE + 5} to {SIZE + 5}: illegal data address", "degraded")
    await shop.seen(0)
    await plc.count(3)
    await shop.counted(3)
    assert await shop.last("counter/scrap") is None


async def test_a_plc_that_takes_the_call_and_says_nothing_is_down(works):
    async with serving(silent) as port:
        mute = Plc(port)
        shop = await works(plugin=reading(mute, timeout="100ms"))
        await shop.says("modbus", f"Modbus at {HOST}:{port}")


async def silent(reader, _writer) -> None:
    await reader.read()


async def test_a_jump_is_refused_by_name_and_shown(works, plc):
    shop = await works(plugin=reading(plc))
    await shop.seen(0)
    await plc.count(100_000)
    await until(lambda: shop.machine("modbus")["last_refused"], "a refusal")
    told = shop.machine("modbus")["last_refused"]
    assert (told["input"], told["code"], shop.machine("modbus")["refused"]) == ("counter/good", "COUNTER_JUMP", 1)
    assert await shop.pieces() == 0


async def test_settings_that_name_nobody_are_told(works, plc):
    shop = await works(plugin=reading(plc, device="laser-9"))
    await until(lambda: shop.link("modbus").error.startswith("laser-9: "), "the refusal")
    assert shop.link("modbus").error == 'laser-9: no [[uns.device]] has the id "laser-9"'
    assert shop.link("modbus").state == "down"


async def test_an_input_without_a_mapping_is_told(works, plc):
    shop = await works(plugin=reading(plc, {"to": "tag/door", "address": 0, "table": "coil"}))
    await shop.says("modbus", "no [[uns.mapping]] of laser-1 says what tag/door means")


@pytest.mark.parametrize(
    ("tag", "words", "value"),
    [
        ({"type": "uint16"}, [65535], 65535),
        ({"type": "int16"}, [65535], -1),
        ({"type": "uint32"}, [1, 2], 65538),
        ({"type": "uint32", "word_order": "little"}, [2, 1], 65538),
        ({"type": "int32"}, [0xFFFF, 0xFFFE], -2),
        ({"type": "uint64"}, [0, 0, 1, 0], 65536),
        ({"type": "float32"}, [0x4228, 0], 42.0),
        ({"type": "float64", "word_order": "little"}, [0, 0, 0, 0x4045], 42.0),
        ({"type": "float32"}, [0x7FC0, 0], None),
        ({"scale": 0.1}, [70], 7.0),
    ],
)
def test_numbers_are_put_together_as_the_settings_say(tag, words, value):
    assert number(Tag(to="tag/x", address=0, **tag), words) == value


@pytest.mark.parametrize(
    ("words", "more", "value"),
    [
        ([0x4142, 0x4300, 0x5A5A], {}, "ABC"),
        ([0x4241, 0x0043, 0], {"word_order": "little"}, "ABC"),
        ([0x2041, 0x4220, 0x2020], {}, "AB"),
        ([0, 0, 0], {}, ""),
        ([0x41FF, 0, 0], {}, None),
        ([0x4107, 0, 0], {}, None),
    ],
)
def test_texts_are_put_together(words, more, value):
    assert text(Tag(to="tag/x", address=0, type="string", length=3, **more), words) == value


def test_neighbours_are_read_together_and_nothing_else():
    def tag(address: int, **more) -> Tag:
        return Tag(to="tag/x", address=address, **more)

    found = blocks([tag(9), tag(0, type="uint64"), tag(4), tag(10, table="coil"), *(tag(20 + at) for at in range(130))])
    assert [(one.table, one.address, one.count) for one in found] == [
        ("coil", 10, 1),
        ("holding", 0, 5),
        ("holding", 9, 1),
        ("holding", 20, 125),
        ("holding", 145, 5),
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"table": "coil", "scale": 2}, "scale, bit and length go with registers"),
        ({"type": "string"}, "go together"),
        ({"length": 2}, "go together"),
        ({"type": "string", "length": 33}, "less than or equal to 32"),
        ({"type": "string", "length": 2, "scale": 2}, "a string has no scale"),
        ({"bit": 16}, "less than or equal to 15"),
        ({"bit": 1, "type": "int32"}, "is of one register"),
        ({"type": "string", "length": 2, "address": 65535}, "ends beyond 65535"),
        ({"address": 65535, "type": "uint32"}, "ends beyond 65535"),
        ({"type": "uint8"}, "Input should be"),
    ],
)
def test_a_tag_that_makes_no_sense_is_told(wrong, said):
    with pytest.raises(ValidationError, match=said):
        Tag(**{"to": "tag/x", "address": 0, **wrong})
