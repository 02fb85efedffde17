"""What a terminal is told as it happens: cards, resuming, a new snapshot, the heartbeat, and who does not listen."""

from waiting import until


async def test_a_change_of_one_terminal_is_seen_at_the_other(hall):
    (first, second) = await hall.job()
    one, other = await hall.terminal("Laser 1"), await hall.terminal("Laser 2")
    await one.sign_in()
    seq = (await other.get("/snapshot"))["seq"]
    async with other.listening(f"?since={seq}") as ear:
        await until(lambda: ear.of("status"))
        await one.tapped("start", first)
        await until(lambda: (card := ear.card(first)) and card["on_it"])
        assert ear.card(first)["on_it"][0]["name"] == "Anna"
        await one.tapped("finish", first, {"good": 10})
        await until(lambda: (card := ear.card(second)) and not card["waits"])
    assert ear.place > seq
