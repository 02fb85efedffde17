"""A works with one running operation at its laser, and a plugin that reads the machine there."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from works import Works, open_works


@pytest.fixture
async def works(tmp_path) -> AsyncIterator[Callable[..., Works]]:
    """`await works(plugin={...})`, with an operation in progress."""
    async with AsyncExitStack() as stack:

        async def start(**given) -> Works:
            return await stack.enter_async_context(open_works(tmp_path / "data", **given))

        yield start
