"""The parts of the terminal that decide, one by one: when something is tried again, how old a tap is, what a card looks like."""

import pytest
import pytest_asyncio
from browsing import opened

from gateway.screens.assets import Assets

CORE = f"/static/{Assets().build}/terminal"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(browser, hall):
    """One that can import the terminal's modules."""
    watched = await opened(browser)
    await watched.page.goto(f"{hall.url}/terminal/")
    await watched.page.wait_for_selector("input[name=code]")  # it has begun: nothing of its own is timed any more
    yield watched.page
    await watched.context.close()


OUTBOX = f"""const {{ Outbox }} = await import("{CORE}/core/outbox.js");
const memory = {{
  durable: true,
  kept: new Map(),
  async all() {{ return []; }},
  async get(store, key) {{ return this.kept.get(key); }},
  async put(store, value, key) {{ this.kept.set(key ?? value.n, value); }},
  async delete(store, key) {{ this.kept.delete(key); }},
}};
const clock = {{ offset_ms: 0, now: () => 0, steady: () => 0, mark: () => ({{}}), age_ms: () => 7 }};
const session = () => ({{ id: "s", operator_id: "o", name: "Anna" }});
const made = (send, random = () => 0.5) => new Outbox({{ db: memory, clock, send, session, random }});
const settled = () => new Promise(resolve => real(resolve, 0));
const real = window.setTimeout.bind(window);
"""


async def run(page, body: str):
    return await page.evaluate(f"async () => {{ {OUTBOX} {body} }}")


@pytest.mark.parametrize(
    ("random", "delays_s"), [(0.5, [1, 2, 5, 10, 15, 15]), (0, [0.75, 1.5, 3.75, 7.5, 11.25, 11.25])]
)
async def test_a_tap_without_an_answer_is_sent_again_ever_more_seldom(page, random, delays_s):
    told = await run(
        page,
        f"""const waits = [];
        window.setTimeout = (run, ms) => waits.push(ms / 1000);
        try {{
          const outbox = made(async () => {{ throw Object.assign(new Error(), {{ status: 503 }}); }}, () => {random});
          await outbox.load();
          await outbox.put({{ type: "start", operation_id: "a" }});
          for (let n = 0; n < 6; n++) {{ await settled(); await outbox.flush(); }}
          outbox.stop();
          return [waits.slice(0, 6), outbox.waiting.length];
        }} finally {{ window.setTimeout = real; }}""",
    )
    assert told == [delays_s, 1]


async def test_the_way_back_to_the_gateway_is_not_waited_for(page):
    told = await run(
        page,
        """let up = false; const sent = [];
        const outbox = made(async command => {
          if (!up) throw Object.assign(new Error(), { status: 0 });
          sent.push(command.type);
        });
        await outbox.load();
        for (const type of ["start", "report", "pause"]) await outbox.put({ type, operation_id: "a" });
        await settled();
        up = true;
        outbox.wake();
        while (outbox.waiting.length) await settled();
        outbox.stop();
        return sent;""",
    )
    assert told == ["start", "report", "pause"]


@pytest.mark.parametrize(
    ("status", "becomes"),
    [
        *((status, "refused") for status in (400, 403, 404, 409, 413, 422)),
        (401, "asks"),
        *((status, "waits") for status in (0, 408, 429, 500, 503, 507)),
    ],
)
async def test_what_an_answer_makes_of_a_tap(page, status, becomes):
    told = await run(
        page,
        f"""const outbox = made(async () => {{ throw Object.assign(new Error("no"), {{ status: {status} }}); }});
        await outbox.load();
        await outbox.put({{ type: "start", operation_id: "a" }});
        await settled();
        outbox.stop();
        const [one] = outbox.commands;
        return one.state === "refused" ? "refused" : one.asks_login ? "asks" : "waits";""",
    )
    assert told == becomes


async def test_a_tap_says_how_long_ago_it_was_and_after_a_reload_when(page):
    told = await run(
        page,
        """const sent = [];
        const outbox = made(async command => void sent.push(command));
        memory.all = async () => [{ n: 1, id: "old", type: "start", operation_id: "a", payload: {}, session: "s",
          tapped_at: "2026-01-01T10:00:00.000Z", offset_ms: null, state: "held" }];
        clock.offset_ms = -7_200_000;
        await outbox.load();
        await outbox.put({ type: "pause", operation_id: "a" });
        while (outbox.waiting.length) await settled();
        outbox.stop();
        return sent.map(({ age_ms, tapped_at }) => [age_ms ?? null, tapped_at]);""",
    )
    assert told == [[None, "2026-01-01T08:00:00.000Z"], [7, "1970-01-01T00:00:00.000Z"]]


async def test_what_one_screen_sends_goes_one_at_a_time(page):
    told = await run(
        page,
        """let inside = 0, most = 0;
        const outbox = made(async () => { most = Math.max(most, ++inside); await settled(); inside--; });
        await outbox.load();
        await Promise.all([1, 2, 3, 4].map(n => outbox.put({ type: "report", operation_id: `${n}` })));
        while (outbox.waiting.length) { outbox.flush(); await settled(); }
        outbox.stop();
        return most;""",
    )
    assert told == 1


# ------------------------------------------------------------------ the clock

CLOCK = f"""const {{ Clock }} = await import("{CORE}/core/clock.js");
let wall = Date.parse("2026-01-01T10:00:00Z"), steady = 0;
const clock = new Clock({{ wall: () => wall, steady: () => steady }});
const at = ms => new Date(Date.parse("2026-01-01T08:00:00Z") + ms).toISOString();
clock.sync(at(0));
const mark = clock.mark();
"""


@pytest.mark.parametrize(
    ("happens", "age_ms"),
    [
        ("steady += 60_000; wall += 60_000;", 60_000),
        ("steady += 60_000; wall += 3_660_000; clock.sync(at(60_000));", 60_000),  # somebody set the tablet's clock
        ("steady += 10_000; wall += 610_000; clock.sync(at(610_000));", 610_000),  # the tablet slept for ten minutes
        ("steady += 10_000; wall += 10_000; clock.sync(at(910_000));", 10_000),  # somebody set the gateway's clock
    ],
    ids=["works", "set", "slept", "gateway set"],
)
async def test_how_long_ago_a_tap_was(page, happens, age_ms):
    assert await page.evaluate(f"async () => {{ {CLOCK} {happens} return clock.age_ms(mark); }}") == age_ms


async def test_the_clock_shows_the_gateways_time(page):
    assert await page.evaluate(
        f"async () => {{ {CLOCK} steady += 5_000; return [clock.now(), clock.offset_ms]; }}"
    ) == [
        1_767_254_405_000,
        -7_200_000,
    ]


# ------------------------------------------------------------------ one tab of several

TABS = f"""async count => {{
  const {{ Leader }} = await import("{CORE}/core/leader.js");
  const tabs = Array.from({{ length: count }}, () => new Leader());
  const leading = () => tabs.filter(one => one.leads).length;
  const decided = () => tabs.every(one => one.leads !== null);
  while (!decided() || leading() !== 1) await new Promise(resolve => setTimeout(resolve, 10));
  const two = new Leader();
  while (two.leads === null) await new Promise(resolve => setTimeout(resolve, 10));
  two.leads = true;
  two.since = Date.now() + 1;
  two.channel.postMessage({{ kind: "here", id: two.id, since: two.since }});
  while (two.leads) await new Promise(resolve => setTimeout(resolve, 10));
  const left = leading();
  for (const one of [...tabs, two]) one.channel.close();
  return left;
}}"""


async def test_of_many_tabs_one_leads_and_one_that_came_later_by_mistake_steps_down(page):
    assert await page.evaluate(TABS, 5) == 1


# ------------------------------------------------------------------ what is shown

CARD = {"id": "a", "status": "not_started", "good": 0, "scrap": 0, "rework": 0, "on_it": [], "held": None}
SCRAP = [{"reason_id": "r", "quantity": 2}, {"reason_id": "s", "quantity": 1}]


@pytest.mark.parametrize(
    ("taps", "shown"),
    [
        ([("start", {})], {"status": "in_progress", "on_it": ["Anna"]}),
        ([("start", {}), ("pause", {})], {"status": "on_hold", "on_it": ["Anna paused"]}),
        ([("start", {}), ("pause", {}), ("resume", {})], {"status": "in_progress", "on_it": ["Anna"]}),
        ([("start", {}), ("report", {"good": 3, "scrap": SCRAP})], {"status": "in_progress", "good": 3, "scrap": 3}),
        (
            [("start", {}), ("finish", {"good": 5, "rework": 1})],
            {"status": "completed", "good": 5, "rework": 1, "on_it": []},
        ),
        ([("start", {}), ("issue", {"title": "Crash", "stops_work": True})], {"status": "on_hold", "held": "Crash"}),
        ([("issue", {"title": "Dirt", "stops_work": False})], {"status": "not_started", "held": None}),
        ([("check", {}), ("handoff", {"text": "x"})], {"status": "not_started"}),
    ],
)
async def test_what_waits_is_shown_on_top_of_the_gateways_rows(page, taps, shown):
    commands = [
        {"type": kind, "operation_id": "a", "payload": payload, "session": "s", "tapped_at": "2026-01-01T08:00:00Z"}
        for kind, payload in taps
    ]
    replayed = f"""async ([card, commands]) => {{
      const {{ replay }} = await import("{CORE}/core/reducer.js");
      const before = JSON.stringify(card);
      const [found] = replay([card], commands, [{{ id: "s", operator_id: "o", name: "Anna" }}]);
      if (JSON.stringify(card) !== before) throw new Error("the gateway's row was changed");
      return found;
    }}"""
    card = await page.evaluate(replayed, [CARD, commands])
    names = [one["name"] + (" paused" if one["paused"] else "") for one in card["on_it"]]
    seen = {**card, "on_it": names, "held": card["held"] and card["held"]["title"]}
    assert {name: seen[name] for name in shown} == shown
    assert card["waiting"] is True


UP, DOWN = {"gateway": "up"}, {"gateway": "down"}


@pytest.mark.parametrize(
    ("given", "key", "tone"),
    [
        ({"link": {**UP, "cloud": {"state": "up"}}}, "online", "quiet"),
        ({"link": {**UP, "cloud": {"state": "off"}}}, "online", "quiet"),
        ({"link": {**UP, "cloud": {"state": "up", "pending": 14}}}, "sending", "quiet"),
        ({"link": {**UP, "cloud": {"state": "down", "pending": 14}}}, "cloud_down", "neutral"),
        ({"link": {**UP, "cloud": {"state": "down"}}}, "cloud_down_idle", "neutral"),
        ({"waiting": 2, "link": {**DOWN, "cloud": {"state": "down", "pending": 1}}}, "no_gateway", "amber"),
        ({"link": DOWN}, "no_gateway_idle", "amber"),
        ({"attention": 1, "waiting": 2, "link": DOWN}, "attention", "red"),
        ({"link": {**UP, "cloud": {"state": "up", "parked": 3}}}, "attention", "red"),
        ({"link": {"gateway": "unknown"}}, "connecting", "quiet"),
    ],
)
async def test_what_the_badge_says(page, given, key, tone):
    standing = (
        f"async given => (await import('{CORE}/parts/badge.js')).standing({{ attention: 0, waiting: 0, ...given }})"
    )
    said = await page.evaluate(standing, given)
    assert (said["key"], said["tone"]) == (key, tone)
