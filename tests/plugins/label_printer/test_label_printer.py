"""The label printer: a label for each completed operation, each once, also for those completed while the printer was away."""

import aiohttp
from hosted import links, settings
from tcp import serving
from waiting import until

from gateway.app import running
from gateway.kernel.clock import ManualClock
from gateway.outbox import journal
from gateway.web.auth import NewKey
from gateway.web.routes import Scope
from plugins.label_printer.label import zpl


class Printer:
    """What came out, a text for each connection."""

    def __init__(self) -> None:
        self.labels: list[str] = []

    async def serve(self, reader, writer) -> None:
        self.labels.append((await reader.read()).decode())

    def printed(self) -> list[str]:
        """The names of operations, in order."""
        return [label.split("^FO40,160^A0N,44^FH^FD")[1].split("^FS")[0] for label in self.labels]


class Station:
    def __init__(self, gateway, session, key) -> None:
        self.base, self.session, self.auth = (
            f"http://{gateway.addresses[0]}",
            session,
            {"Authorization": f"Bearer {key}"},
        )

    async def send(self, path: str, body: dict) -> dict:
        async with self.session.post(f"{self.base}{path}", json=body, headers=self.auth) as answer:
            assert answer.status < 300, await answer.text()
            return (await answer.json())["data"]

    async def work(self, *names: str, cell: str = "Laser") -> None:
        """A job with these operations, each started and completed."""
        steps = [{"operation_name": name, "cell_name": cell, "external_id": name} for name in names]
        part = {"part_number": f"P-{names[0]}", "external_id": f"P-{names[0]}", "operations": steps}
        job = {"job_number": f"J-{names[0]}", "external_id": f"J-{names[0]}", "external_source": "erp", "parts": [part]}
        given = {"cells": [{"external_id": cell, "external_source": "erp", "name": cell}], "jobs": [job]}
        await self.send("/api-erp-sync/sync", given)
        async with self.session.get(f"{self.base}/api-operations?limit=1000", headers=self.auth) as answer:
            rows = {row["operation_name"]: row["id"] for row in (await answer.json())["data"]["operations"]}
        for name in names:
            for verb in ("start", "complete"):
                await self.send(f"/api-operation-lifecycle/{verb}?id={rows[name]}", {})


async def at(gateway, session) -> Station:
    """Once the plugin has its place in the journal."""
    while "plugin:label_printer" not in {row["name"] for row in await gateway.db.read(journal.readers)}:
        pass
    _, key = await gateway.keys.create(NewKey("station", Scope.PLAN))
    return Station(gateway, session, key)


def printing(port: int, **more) -> dict:
    return {"label_printer": {"enabled": True, "host": "127.0.0.1", "port": port, **more}}


async def test_a_label_for_each_completed_operation(tmp_path):
    printer = Printer()
    async with serving(printer.serve) as port:
        made = settings(tmp_path / "data", **printing(port, cells=["Laser"]))
        async with running(made) as gateway, aiohttp.ClientSession() as session:
            station = await at(gateway, session)
            await station.work("Cut", "Deburr")
            await station.work("Saw it", cell="Saw")
            await station.work("Bend")
            await until(lambda: len(printer.labels) == 3, "the labels")
            assert printer.printed() == ["Cut", "Deburr", "Bend"], "none for the saw"
            link = links(gateway)["plugin:label_printer"]
            await until(lambda: link.facts["printed"] == 3, "their count")
            assert link.state == "up"
            assert "J-Cut" in printer.labels[0]


async def test_what_was_completed_while_the_printer_was_away_comes_when_it_is_back(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.kernel.supervise.BACKOFF_BASE_S", 0.05)
    monkeypatch.setattr("gateway.kernel.supervise.BACKOFF_CAP_S", 0.05)
    printer = Printer()
    async with serving(printer.serve) as port:
        pass
    async with running(settings(tmp_path / "data", **printing(port))) as gateway, aiohttp.ClientSession() as session:
        station, link = await at(gateway, session), links(gateway)["plugin:label_printer"]
        await station.work("Cut", "Bend")
        away = f"the printer 127.0.0.1:{port} cannot be reached"
        await until(lambda: link.error is not None and link.error.startswith(away), "the outage")
        assert link.state == "down"
        async with serving(printer.serve, port):
            await until(lambda: printer.printed() == ["Cut", "Bend"], "both labels, in order")
            await until(lambda: link.state == "up", "its entry in health")


async def test_what_is_too_old_is_not_printed(tmp_path):
    printer, clock = Printer(), ManualClock()
    async with serving(printer.serve) as port:
        async with (
            running(settings(tmp_path / "data", **printing(port)), clock=clock) as gateway,
            aiohttp.ClientSession() as session,
        ):
            await at(gateway, session)
        async with running(settings(tmp_path / "data"), clock=clock) as gateway, aiohttp.ClientSession() as session:
            await (await at(gateway, session)).work("Old")
        await clock.advance(25 * 3600)
        async with (
            running(settings(tmp_path / "data", **printing(port)), clock=clock) as gateway,
            aiohttp.ClientSession() as session,
        ):
            await (await at(gateway, session)).work("New")
            await until(lambda: printer.printed() == ["New"], "the new one")
            assert links(gateway)["plugin:label_printer"].facts["too_old"] == 1


def test_what_people_write_is_no_command_of_the_printers():
    label = zpl(
        "e1", {"job_number": "^XZ~HS_\n", "part_number": "Größe 5", "operation_name": "x" * 100, "operation_id": None}
    )
    assert "^FD_5EXZ_7EHS_5F_0A^FS" in label
    assert "^FDGröße 5^FS" in label
    assert f"^FD{'x' * 60}^FS" in label
    assert label.count("^XZ") == 1
