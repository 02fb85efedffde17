"""How much one device may send: a token bucket, kept as one number, the moment at which it would be full again."""

BURST_S = 5  # what a device may send at once: as much as in these seconds, by default 100


class Bucket:
    def __init__(self, per_s: int) -> None:
        self._each_s = 1 / per_s
        self._holds_s = float(BURST_S)
        self._full_at_s = 0.0

    def take(self, now_s: float) -> bool:
        """False: too fast, nothing was taken."""
        missing_s = max(0.0, self._full_at_s - now_s) + self._each_s
        if missing_s > self._holds_s + 1e-9:  # the sum of many small numbers is not exact
            return False
        self._full_at_s = now_s + missing_s
        return True

    def wait_s(self, now_s: float) -> float:
        """How long until there is something to take."""
        return max(0.0, self._full_at_s - now_s + self._each_s - self._holds_s)
