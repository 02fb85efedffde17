"""Who is signed in at a terminal. A session is what commands name; it says whose work they are."""

import sqlite3
from datetime import datetime

from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import Conflict, Forbidden, OperatorUnknown, PinWrong, SessionEnded
from gateway.kernel.ids import NewId
from gateway.terminals import rules, store
from gateway.terminals.model import Person, Pin, Policy, Session, Terminal
from gateway.terminals.pins import Pins


class Sessions:
    def __init__(self, db: Database, clock: Clock, new_id: NewId, pins: Pins, policy: Policy) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._pins = pins
        self._policy = policy

    async def begin(self, terminal: Terminal, operator_id: str | None, badge: str | None, pin: Pin | None) -> Session:
        """Raises OperatorUnknown, OperatorInactive, PinNotSet, PinWrong, PinLocked, TooFast, Conflict."""
        if badge is not None:
            person = await self._db.read(store.of_badge, badge)
        elif operator_id is not None:
            person = await self._db.read(store.person, operator_id)
        else:
            raise OperatorUnknown("neither operator_id nor badge says who signs in")
        if badge is None or not self._policy.badge_only:
            await self._proven(person, pin, terminal)
        session = Session(self._new_id(), terminal.id, person, self._clock.now())
        await self._db.write(_begin, session)
        return session

    async def unlock(self, terminal: Terminal, session_id: str, pin: Pin | None) -> Session:
        """The same person is back. Raises SessionEnded, and what `begin` does about the PIN."""
        session = await self._db.read(store.session, terminal.id, session_id)
        if not rules.live(session, self._clock.now()):
            raise SessionEnded(f"{session.person.name} is not signed in any more: sign in again")
        await self._proven(session.person, pin, terminal)
        return session

    async def end(self, terminal: Terminal, session_id: str) -> None:
        await self._db.write(store.end_session, terminal.id, session_id, time_.text(self._clock.now()))

    async def set_pin(self, terminal: Terminal, operator_id: str, pin: Pin, session_id: str | None) -> None:
        """By a supervisor; soon after pairing by anybody, for people who have none yet.

        Raises OperatorUnknown, OperatorInactive, Invalid, Forbidden, SessionEnded.
        """
        rules.check_pin(pin)
        person = await self._db.read(store.person, operator_id)
        now = self._clock.now()
        if session_id is not None:
            await self._db.read(supervisor, terminal, session_id, now)
        elif now >= terminal.created_at + rules.FIRST_PINS:
            raise Forbidden("a supervisor has to be signed in here to set a PIN")
        elif (kept := await self._db.read(store.pin, person.id)) and kept["box"] == await self._pins.box():
            raise Forbidden(f"{person.name} has a PIN already: a supervisor can set another one")
        await self._pins.set(person, pin)

    async def _proven(self, person: Person, pin: Pin | None, terminal: Terminal) -> None:
        if pin is None:
            raise PinWrong("the PIN is missing", {"attempts_left": rules.WRONG_MAX})
        await self._pins.check(person, pin, terminal.id)


def supervisor(connection: sqlite3.Connection, terminal: Terminal, session_id: str, now: datetime) -> Person:
    """Who is signed in under this session, and may decide. Raises SessionEnded, Forbidden."""
    session = store.session(connection, terminal.id, session_id)
    if not rules.live(session, now):
        raise SessionEnded(f"{session.person.name} is not signed in any more: sign in again")
    if not session.person.supervisor:
        raise Forbidden(f"{session.person.name} is no supervisor: the profile's role has to be admin")
    return session.person


def _begin(tx: Tx, session: Session) -> None:
    """Raises Conflict when that many are signed in here."""
    now = session.started_at
    others = [
        one
        for one in store.open_sessions(tx, session.terminal_id)
        if rules.live(one, now) and one.person.id != session.person.id
    ]
    if len(others) >= rules.SESSIONS_MAX:
        names = [one.person.name for one in others]
        raise Conflict(f"{len(others)} people are signed in here: sign one of them out", {"operators": names})
    store.begin_session(tx, session, time_.text(now - rules.LATE_MAX - rules.SESSION))
