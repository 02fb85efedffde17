"""Who comes in at the operations page, and who does not."""

import pytest
from ops_page import PASSWORD, admin_key, serving, signed_in, visitor
from tcp import free_port

from gateway.kernel import state
from gateway.kernel.clock import ManualClock, SystemClock
from gateway.ops import access, passwords
from gateway.ops.access import IDLE_MAX_S, SESSION_MAX_S, WRONG_MAX, WRONG_WITHIN_S, Access
from gateway.tls import HTTP, Tls
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

OUTSIDE = "192.0.2.7"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def here(tmp_path):
    async with serving(tmp_path) as here:
        yield here


@pytest.fixture
async def door(tmp_path, clock):
    """Without HTTP, on a clock of its own; the password is set."""
    async with serving(tmp_path) as here:
        access_ = Access(here.gateway.db, clock, here.gateway.keys)
        await access_.set_password(PASSWORD)
        yield access_


async def test_nobody_sees_anything_without_a_session(here):
    assert (await here.send("GET", "/session")).data == {"signed_in": False, "password": False, "code": False}
    for method, path in (
        ("POST", "/verbs/status"),
        ("GET", "/fn/api-cells"),
        ("GET", "/logs"),
        ("GET", "/uns"),
        ("GET", "/export"),
        ("POST", "/import?name=jobs.csv"),
        ("GET", "/qr?text=x"),
        ("PUT", "/password"),
        ("DELETE", "/session"),
    ):
        said = await here.send(method, path)
        assert (said.status, said.error["code"]) == (401, "UNAUTHORIZED"), path


async def test_the_code_of_the_first_run_sets_the_password_once(here):
    code = await access.make_code(here.gateway.db)
    assert (await here.send("GET", "/session")).data["code"] is True
    short = await here.send("POST", "/setup", {"code": code, "password": "short"})
    assert (short.status, "10 to 200" in short.error["message"]) == (422, True)
    typed = code.lower().replace("-", " ")
    said = await here.send("POST", "/setup", {"code": typed, "password": PASSWORD})
    assert (said.status, said.data["signed_in"]) == (200, True)
    cookie = said.headers["Set-Cookie"]
    for word in ("HttpOnly", "SameSite=Strict", "Path=/ops/"):
        assert word in cookie
    assert "Secure" not in cookie  # it came over plain HTTP, on loopback
    again = await here.send("POST", "/setup", {"code": code, "password": PASSWORD + "!"})
    assert (again.status, "ops code" in again.error["message"]) == (401, True)
    other = visitor(here.gateway)
    async with other.session:
        assert (await other.enter(password=PASSWORD)).status == 200
        assert (await other.enter(password=PASSWORD + "!")).status == 401


async def test_over_tls_the_cookie_stays_there(tmp_path):
    Tls(tmp_path).issue(HTTP, SystemClock().now())
    async with serving(tmp_path, http={"port": 0, "tls_host": "127.0.0.1", "tls_port": free_port()}) as here:
        url = next(url for url in here.gateway.urls if url.startswith("https:"))
        given = {"key": await admin_key(here.gateway)}
        async with here.session.post(f"{url}/ops/api/session", json=given, ssl=False) as answer:
            assert answer.status == 200
            assert "Secure" in answer.headers["Set-Cookie"]


async def test_only_hashes_are_kept(here):
    code = await access.make_code(here.gateway.db)
    kept = await here.gateway.db.read(state.get, access.CODE_KEY)
    assert code not in kept
    assert passwords.plain(code) not in kept
    await here.send("POST", "/setup", {"code": code, "password": PASSWORD})
    kept = await here.gateway.db.read(state.get, access.PASSWORD_KEY)
    assert kept.startswith("scrypt$")
    assert PASSWORD not in kept
    assert await here.gateway.db.read(state.get, access.CODE_KEY) is None


def test_a_try_costs_what_it_is_meant_to(monkeypatch):
    monkeypatch.undo()
    assert (passwords._COST, passwords._BLOCK, passwords._LANES) == (2**14, 8, 1)
    kept = passwords.hashed(PASSWORD)
    assert passwords.matches(PASSWORD, kept)
    assert not passwords.matches(PASSWORD + "!", kept)
    assert passwords.hashed(PASSWORD) != kept  # another salt each time


async def test_a_change_needs_the_token_of_the_session(here):
    await signed_in(here)
    token, here.csrf = here.csrf, ""
    said = await here.send("POST", "/verbs/queue.pause", {})
    assert (said.status, said.error["code"]) == (403, "FORBIDDEN")
    assert (await here.send("POST", "/fn/api-cells", {"name": "Laser"}, **{"X-CSRF-Token": "x" * 43})).status == 403
    assert (await here.send("GET", "/fn/api-cells")).data["cells"] == []
    here.csrf = token
    assert (await here.send("POST", "/fn/api-cells", {"name": "Laser"})).status == 201


async def test_an_admin_key_opens_it_and_its_end_closes_it(here):
    key = await admin_key(here.gateway)
    _, small = await here.gateway.keys.create(NewKey("small", Scope.PLAN))
    assert (await here.enter(key=small)).status == 403
    assert (await here.enter(key="ery_live_" + "0" * 32)).status == 401
    assert (await here.enter(key=key)).status == 200
    assert (await here.send("GET", "/session")).data["who"] == "test"
    await here.gateway.keys.revoke("test")
    assert (await here.send("GET", "/fn/api-cells")).status == 401


async def test_leaving_ends_the_session(here):
    await signed_in(here)
    assert (await here.send("DELETE", "/session")).data == {"signed_in": False}
    assert (await here.send("GET", "/fn/api-cells")).status == 401


async def test_a_session_ends_when_nobody_uses_it_and_after_half_a_day(door, clock):
    token, _ = await door.enter(OUTSIDE, password=PASSWORD)
    await clock.advance(IDLE_MAX_S - 1)
    door.session(token)
    await clock.advance(IDLE_MAX_S + 1)
    with pytest.raises(access.Unauthorized):
        door.session(token)
    token, _ = await door.enter(OUTSIDE, password=PASSWORD)
    for _ in range(int(SESSION_MAX_S // 1800)):
        door.session(token)
        await clock.advance(1800)
    await clock.advance(1)
    with pytest.raises(access.Unauthorized):
        door.session(token)


async def test_wrong_tries_lock_an_address_for_a_while_and_no_other(door, clock):
    for _ in range(WRONG_MAX):
        with pytest.raises(access.Unauthorized):
            await door.enter(OUTSIDE, password="guessed")
    with pytest.raises(access.Exceeded, match=f"locked for {int(WRONG_WITHIN_S) + 1} s"):
        await door.enter(OUTSIDE, password=PASSWORD)
    with pytest.raises(access.Exceeded):
        await door.redeem(OUTSIDE, "AAAAA-AAAAA", PASSWORD)
    await door.enter("192.0.2.8", password=PASSWORD)
    await clock.advance(WRONG_WITHIN_S + 1)
    await door.enter(OUTSIDE, password=PASSWORD)


@pytest.mark.parametrize("source", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_whoever_sits_at_the_box_is_never_locked_out(door, source):
    for _ in range(WRONG_MAX + 1):
        with pytest.raises(access.Unauthorized):
            await door.enter(source, password="guessed")
    await door.enter(source, password=PASSWORD)


async def test_a_new_password_ends_the_sessions_of_the_old_one(here):
    await signed_in(here)
    assert (await here.send("PUT", "/password", {"password": PASSWORD + "!"})).status == 200
    assert (await here.send("GET", "/fn/api-cells")).status == 401
    assert (await here.enter(password=PASSWORD)).status == 401
    assert (await here.enter(password=PASSWORD + "!")).status == 200


async def test_sessions_are_few(door, monkeypatch):
    monkeypatch.setattr(access, "SESSIONS_MAX", 2)
    first, _ = await door.enter(OUTSIDE, password=PASSWORD)
    for _ in range(2):
        await door.enter(OUTSIDE, password=PASSWORD)
    with pytest.raises(access.Unauthorized):
        door.session(first)
