"""Progress lines of `make run`: seconds since the start, then what happened."""

import time

CHAT_MARK = "chat page: "  # begins a line of infra.local.prepare that names a chat page


class Progress:
    """Prints one line per step."""

    def __init__(self) -> None:
        self.started_at = time.monotonic()

    def show(self, text: str) -> None:
        print(text, flush=True)  # noqa: T201

    def say(self, text: str) -> None:
        self.show(f"[{time.monotonic() - self.started_at:5.1f} s] {text}")
