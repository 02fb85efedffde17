"""Python's own machinery, set for a service with one event loop and one writer thread."""

import gc
import sys

# New objects before it looks at the young ones: a request makes some hundred, and few of them are cycles.
YOUNG_MAX = 20_000
MIDDLE_EVERY, OLD_EVERY = 20, 50
# How long a thread runs before another may force it to stop. Both stop by themselves at every statement and every
# socket, far sooner; being stopped halfway between two only costs.
SWITCH_S = 0.020


def settled() -> None:
    """What is here now is not looked at again by the collector of cycles. Called once, when all has been built."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, MIDDLE_EVERY, OLD_EVERY)
    sys.setswitchinterval(SWITCH_S)
