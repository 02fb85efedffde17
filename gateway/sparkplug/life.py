"""One session of the edge node, from its birth to its death: what the host has been told, in one sequence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gateway.kernel.clock import Clock
from gateway.machines.model import State
from gateway.sparkplug import metrics
from gateway.sparkplug.payload import Metric, written
from gateway.uns.packets import Message
from gateway.uns.payloads import CellRow
from gateway.uns.topics import Place, SparkplugTopics

SEQ_MODULUS = 256
DELIVERED = 1  # QoS of a death; everything else is sent with 0, as the specification wants it

Cells = Mapping[str, tuple[Place, CellRow, State | None]]  # slug -> the cell, how it stands, and its machines


@dataclass(slots=True)
class Life:
    """Makes messages; whoever sends them sends them in this order. `number` is the session's bdSeq."""

    topics: SparkplugTopics
    clock: Clock
    number: int
    version: str
    seq: int = 0
    known: dict[str, tuple[Place, Mapping[str, Metric]]] = field(default_factory=dict)  # slug -> what the host knows

    def death(self) -> Message:
        """Of the whole node: the connection's will, and what it says itself when it goes in order."""
        told = written([metrics.session(self.number)], self.clock.now(), None)
        return Message(self.topics.of_node("NDEATH"), told, qos=DELIVERED)

    def births(self, cells: Cells) -> Iterator[Message]:
        """Everything from the beginning; also what a host gets that asks for a rebirth."""
        self.seq = 0
        self.known.clear()
        node = metrics.of_node(self.number, self.version)
        yield self._message(self.topics.of_node("NBIRTH"), node)
        yield from self.news(cells)

    def news(self, cells: Cells) -> Iterator[Message]:
        """What has come, changed and gone since the host was told last."""
        for slug in self.known.keys() - cells.keys():
            place, _ = self.known.pop(slug)
            yield self._message(self.topics.of_device("DDEATH", place), ())
        for slug, (place, row, machine) in cells.items():
            now = metrics.of_cell(row, machine)
            _, before = self.known.get(slug, (place, {}))
            self.known[slug] = place, now
            if changed := [metric for name, metric in now.items() if before.get(name) != metric]:
                kind = "DDATA" if before else "DBIRTH"
                yield self._message(self.topics.of_device(kind, place), changed)

    def _message(self, topic: str, told: "tuple[Metric, ...] | list[Metric]") -> Message:
        message = Message(topic, written(told, self.clock.now(), self.seq), qos=0)
        self.seq = (self.seq + 1) % SEQ_MODULUS
        return message
