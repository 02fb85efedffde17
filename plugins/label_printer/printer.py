"""A printer that takes raw data on a TCP port."""

import asyncio

from gateway.plugin_api import Unavailable

PRINT_MAX_S = 10.0


async def printed(host: str, port: int, label: str) -> None:
    """The printer has taken all of it. Raises Unavailable."""
    try:
        async with asyncio.timeout(PRINT_MAX_S):
            _, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(label.encode())
                await writer.drain()
            finally:
                writer.close()
                await writer.wait_closed()
    except TimeoutError:
        raise Unavailable(f"the printer {host}:{port} took nothing for {PRINT_MAX_S:.0f} s") from None
    except OSError as exc:
        raise Unavailable(f"the printer {host}:{port} cannot be reached: {exc.strerror or exc}") from exc
