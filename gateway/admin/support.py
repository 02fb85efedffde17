"""`support.files`: what a support bundle of this gateway holds."""

import asyncio

from gateway.admin import repairs
from gateway.admin.box import Arguments, Box
from gateway.support import files as bundle
from gateway.support.files import Seen
from gateway.support.redaction import words_in


async def listed(_box: Box, _given: Arguments) -> list[dict[str, str]]:
    """Names of files, and what is in them."""
    return [{"name": name, "about": about} for name, about in bundle.ABOUT.items()]


async def packed(box: Box) -> tuple[str, bytes]:
    """A name for it, and the zip."""
    found = await files(box, {})
    return bundle.name(box.settings.gateway.id, box.clock.now()), await asyncio.to_thread(bundle.packed, found)


async def files(box: Box, _given: Arguments) -> dict[str, str]:
    """Name -> text; `bundle.packed` makes a zip of it."""
    findings = await repairs.listed(box, {"all": True})
    report = await box.status()
    metrics = "" if box.scrape is None else (await box.scrape())[0].decode()
    log = None if box.tail is None else [record for _, record in box.tail.after(0)]
    seen = Seen(box.settings, findings, report, metrics, log, bundle.threads())
    words = await asyncio.to_thread(lambda: words_in(bundle.told(seen)))
    database = await box.db.read(bundle.inside, words)
    return await asyncio.to_thread(bundle.files, seen, database)
