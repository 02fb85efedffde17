"""A tap is carried out: its session, its time, its receipt, what it does, in one transaction."""

from collections.abc import Mapping
from typing import Any

from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.ids import NewId
from gateway.outbox.command import Commands
from gateway.outbox.event import Stamp, encode
from gateway.outbox.receipts import Answer, Receipt, request_hash
from gateway.terminals import acts, batched, cards, rules, store
from gateway.terminals.model import Act, Command, Policy, Terminal


class TerminalCommands(Commands):
    def __init__(self, db: Database, clock: Clock, new_id: NewId, origin: str, policy: Policy) -> None:
        super().__init__(db, clock, new_id, origin)
        self._policy = policy

    async def carry_out(self, terminal: Terminal, command: Command) -> Answer:
        """`{"operations":[card],"result":...}`; a repeat of the command's id gets the first answer again.

        Raises SessionEnded, ConfirmationNeeded, KeyReused, and what the same command raises over REST.
        """
        return await self._once(receipt(terminal, command), _carry_out, terminal, command, self._policy)


def receipt(terminal: Terminal, command: Command) -> Receipt:
    """How old a tap is, is said anew each time that it is sent: it is the same tap."""
    payload = encode(dict(sorted(command.payload.items())))
    hashed = request_hash("terminal", command.kind, command.operation_id, payload, command.session_id)
    return Receipt(terminal.space, command.id, hashed)


def _carry_out(tx: Tx, stamp: Stamp, terminal: Terminal, command: Command, policy: Policy) -> Answer:
    session = store.session(tx, terminal.id, command.session_id)
    at = rules.happened_at(command, session, stamp.now)
    here = store.open_sessions(tx, terminal.id)
    again = any(one.person.id == session.person.id and rules.live(one, stamp.now) for one in here)
    rules.require_session(session, at, again=again)
    act = Act(command, session, at, policy, terminal)
    bodies = batched.BY_KIND if command.payload.get("batch") else acts.BY_KIND
    result = bodies[command.kind](tx, stamp, act)
    return Answer(200, encode({"operations": _touched(tx, command), "result": result}))


def _touched(tx: Tx, command: Command) -> list[Mapping[str, Any]]:
    """The cards of what it moved."""
    left = command.payload.get("pause_other")
    beside = batched.beside(tx, command.operation_id) if command.payload.get("batch") else []
    return [*cards.these(tx, {command.operation_id, *([left] if left else []), *beside})]
