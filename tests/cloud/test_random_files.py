"""Whatever is photographed, thrown away and put into lists, and whatever happens on the way: the cloud ends up with the same."""

import asyncio
import random

import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in
from desk import BEAM, FOOT, HOOD, PARKED, Desk, at_desk, digest, files_there, images_there, pdf, png
from floor import differences

from gateway.files.store import at_paths

ACTS = 40
WORDS = "abc"  # few, so that there are equal images
PARTS = (BEAM, FOOT, HOOD)
LATE = {"late_min_s": 0.05, "late_max_s": 0.4}
WEATHER = {
    "quiet": {},
    "lossy": {"lose_reply": 0.15, "late_delivery": 0.1, "duplicate": 0.1, **LATE},
    "sick": {"error_500": 0.1, "error_503": 0.1, "truncated_body": 0.1, "boot_error": 0.05},
}


class Busy:
    """At the desk, in a random order."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self._desk = desk
        self._rng = random.Random(seed)
        self._photos: list[tuple[str, str]] = []
        self._listed: dict[str, list[str]] = {part: [] for part in PARTS}

    async def act(self) -> None:
        part = self._rng.choice(PARTS)
        word = self._rng.choice(WORDS)
        match self._rng.choice(("photo", "photo", "throw", "file", "unlist")):
            case "photo":
                self._photos.append((part, await self._desk.photo(part, png(word))))
            case "throw" if self._photos:
                await self._desk.throw_away(*self._photos.pop(self._rng.randrange(len(self._photos))))
            case "file":
                self._listed[part].append(await self._desk.file(f"{word}.pdf", pdf(word)))
                await self._desk.lists(part, *self._listed[part])
            case "unlist" if self._listed[part]:
                self._listed[part].pop(0)
                await self._desk.lists(part, *self._listed[part])

    def images(self, part_id: str) -> list[str]:
        return [path for part, path in self._photos if part == part_id]

    def files(self, part_id: str) -> list[str]:
        return self._listed[part_id]


@pytest.mark.parametrize("weather", WEATHER)
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_in_the_end_the_cloud_has_the_same_files(tmp_path, pulled, weather, seed):
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT, seed=seed), pulled) as shop:
        busy, rng = Busy(await at_desk(shop, tmp_path), seed), random.Random(seed)
        shop.cloud.faults.change(**WEATHER[weather])
        for _ in range(ACTS // 5):
            async with shop.linked():  # a new one each time: the last was cut in the middle of whatever it did
                for _ in range(5):
                    await busy.act()
                    await asyncio.sleep(rng.choice((0, 0.05, 0.2)))
        shop.cloud.faults.change(**dict.fromkeys(WEATHER[weather], 0))
        async with shop.linked():
            await shop.drained()
        assert await shop.ask(PARKED) == []
        assert await shop.db.read(differences, shop.cloud) == []
        for part in PARTS:
            files = await shop.db.read(at_paths, busy.images(part) + busy.files(part))
            images = {files[path].sha256 for path in busy.images(part)}  # equal ones are one there
            assert sorted(map(digest, images_there(shop.cloud, part))) == sorted(images)
            listed = [files[path].sha256 for path in busy.files(part)]
            assert [digest(data) for data in files_there(shop.cloud, "parts", part)] == listed
