"""What the service manager gives the service besides its environment: a folder with one file for each credential (systemd's
`LoadCredential`). A file that is named as a key of the settings sets it: `cloud.api_key`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from gateway.kernel.errors import StartupError

BYTES_MAX = 64 * 1024  # a key, a password, a list of them
SOURCE = "credential"
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")  # others are not for the settings: `box-key`


def settings_in(folder: Path) -> Iterator[tuple[str, str]]:
    """(key, text), without the end of its last line. Raises StartupError."""
    try:
        files = sorted(file for file in folder.iterdir() if _NAME.fullmatch(file.name) and file.is_file())
    except FileNotFoundError:  # a unit that names some, and none was there
        return
    except OSError as exc:
        raise StartupError(f"the credentials in {folder} cannot be read ({exc.strerror})") from None
    for file in files:
        try:
            with file.open("rb") as opened:
                raw = opened.read(BYTES_MAX + 1)
            text = raw.decode()
        except (OSError, UnicodeDecodeError) as exc:
            raise StartupError(f"{SOURCE} {file.name} cannot be read ({type(exc).__name__}): it is a text") from None
        if len(raw) > BYTES_MAX:
            raise StartupError(f"{SOURCE} {file.name} is too large: at most {BYTES_MAX} bytes")
        yield file.name, text.removesuffix("\n").removesuffix("\r")
