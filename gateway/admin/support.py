"""`support.files`: what a support bundle of this gateway holds."""

import asyncio

from gateway.admin import repairs
from gateway.admin.box import Arguments, Box
from gateway.support import files as bundle
from gateway.support.files import Seen
from gateway.support.redaction import words_in
from gateway.web.pages import exposition


async def files(box: Box, given: Arguments) -> dict[str, str]:
    """config: the file that the settings came from. Name -> text; `bundle.packed` makes a zip of it."""
    findings = await repairs.listed(box, {**given, "all": True})
    report = await box.status()
    metrics = (await asyncio.to_thread(exposition, report, box.db.commits.count)).decode()
    log = None if box.tail is None else [record for _, record in box.tail.after(0)]
    seen = Seen(box.settings, findings, report, metrics, log, bundle.threads())
    words = await asyncio.to_thread(lambda: words_in(bundle.told(seen)))
    database = await box.db.read(bundle.inside, words)
    return await asyncio.to_thread(bundle.files, seen, database)
