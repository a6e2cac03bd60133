"""``python -m randstudy.tracking STORE DESCRIPTOR``: the exporter's process; see `exporter`."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from randstudy.tracking.exporter import FINISH, line
from randstudy.tracking.plan import Plan
from randstudy.tracking.session import Session, backoff

POLL_SECONDS = 0.5
SAY_SECONDS = 1.0
IDLE_SHARE = 20
LOCK_SECONDS = 2.0
LAST_TRIES = 3
STOP_SECONDS = 2.0
ABANDONED = 3


class LifeLine:
    """What the driver has said: nothing yet, to finish, or nothing ever again."""

    def __init__(self) -> None:
        self._said = threading.Event()
        self._gone = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        signal.signal(signal.SIGTERM, lambda *_: self._abandon())

    def _listen(self) -> None:
        heard = b""
        while piece := os.read(sys.stdin.fileno(), 64):
            heard += piece
            if heard.endswith(FINISH.encode()):
                self._said.set()
        if not self._said.is_set():
            self._abandon()

    def _abandon(self) -> None:
        self._gone.set()
        self._said.set()
        # A server that does not answer must not keep a process without a driver alive.
        timer = threading.Timer(STOP_SECONDS, os._exit, (ABANDONED,))
        timer.daemon = True
        timer.start()

    def gone(self) -> bool:
        """Whether to stop at once."""
        return self._gone.is_set()

    def told(self) -> bool:
        """Whether there is anything to hear."""
        return self._said.is_set()

    def wait(self, seconds: float) -> None:
        """Sleep until something is said, for so long at most."""
        self._said.wait(seconds)


class Voice:
    """Says how far the mirror is: one line a second at most, and only when it is another."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._said = ""
        self._next = 0.0

    def say(self) -> None:
        """Print the report if it is time for one."""
        if time.monotonic() < self._next:
            return
        now = line(self._session.report(done=False))
        if now != self._said:
            print(now, flush=True)
        self._said, self._next = now, time.monotonic() + SAY_SECONDS

    def before(self, stop: Callable[[], bool]) -> Callable[[], bool]:
        """Return `stop`, saying something where it is asked."""

        def ask() -> bool:
            self.say()
            return stop()

        return ask


def follow(session: Session, driver: LifeLine, voice: Voice) -> None:
    """Keep up with the ledger until the driver says something."""
    failures = 0
    while not driver.told():
        begun = time.monotonic()
        failures = 0 if session.advance(voice.before(driver.told)) else failures + 1
        voice.say()
        # Looking at a large ledger costs something; look the less often.
        spent = time.monotonic() - begun
        driver.wait(max(POLL_SECONDS, backoff(failures), min(IDLE_SHARE * spent, 5.0)))


def main() -> int:
    """Mirror a study until the driver has finished or gone."""
    store, descriptor = Path(sys.argv[1]), int(sys.argv[2])
    driver = LifeLine()
    with open(descriptor, encoding="utf-8") as handed:
        plan = Plan.from_json(handed.read())
    # MLflow's hundreds of modules are never garbage; tracing them costs a tenth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    with Session(plan, store, LOCK_SECONDS) as session:
        voice = Voice(session)
        follow(session, driver, voice)
        done = False
        for tried in range(LAST_TRIES):
            if driver.gone() or (done := session.close(voice.before(driver.gone))):
                break
            time.sleep(backoff(tried + 1) / 4)
        if driver.gone():
            session.abandon()
        print(line(session.report(done=done and not driver.gone())), flush=True)
    return ABANDONED if driver.gone() else 0


if __name__ == "__main__":
    sys.exit(main())
