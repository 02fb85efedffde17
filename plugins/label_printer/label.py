"""What stands on a label, in ZPL II. Pure."""

from collections.abc import Mapping
from typing import Any

TEXT_MAX_CHARACTERS = 60  # in one line
COMMANDS = "^~_"
LINES = ("job_number", "part_number", "operation_name", "completed_at")


def zpl(event_id: str, data: Mapping[str, Any]) -> str:
    """A label of 100 x 50 mm at 8 dots/mm. `event_id` tells a copy that was printed once more."""
    lines = [f"^FO40,{40 + 60 * number}^A0N,44^FH^FD{_text(data.get(name))}^FS" for number, name in enumerate(LINES)]
    code = f"^FO560,40^BQN,2,5^FH^FDQA,{_text(data.get('operation_id'))}^FS"
    return "\n".join(["^XA^CI28^PW800^LL400", *lines, code, f"^FO40,350^A0N,20^FD{event_id}^FS", "^XZ", ""])


def _text(value: Any) -> str:
    """As data of a field with `^FH`: what the printer would take for a command is written as `_` and its code."""
    text = "" if value is None else str(value)[:TEXT_MAX_CHARACTERS]
    return "".join(f"_{ord(one):02X}" if one in COMMANDS or one < " " else one for one in text)
