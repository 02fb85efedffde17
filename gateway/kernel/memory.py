"""Python's collector of cycles, set for a service: most of what it would look through lives until the end."""

import gc

YOUNG_MAX = (
    20_000  # new objects before it looks at the young ones; a request makes some hundred, and few of them are cycles
)
MIDDLE_EVERY, OLD_EVERY = 20, 50


def settled() -> None:
    """What is here now is not looked at again. Called once, when everything has been built."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, MIDDLE_EVERY, OLD_EVERY)
