# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A headless Chromium, asked over a pipe (https://chromedevtools.github.io/devtools-protocol/): no port, no key."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update", "--window-size=1440,900"]
LOADED = "new Promise(done => document.readyState == 'complete' ? done(1) : addEventListener('load', () => done(1)))"
DRAWN = "new Promise(done => requestAnimationFrame(() => setTimeout(done)))"  # what was to be drawn is
FILTER = """(() => {
    const text = document.getElementById('filter-text');
    text.value = WORD;
    text.dispatchEvent(new Event('input', {bubbles: true}));
})()"""


class Browser:
    """One tab. Commands go to the browser's descriptor 3 and answers come from 4, each ended by a NUL."""

    def __init__(self, orders: int, answers: int) -> None:
        self.orders, self.answers, self.number, self.rest = orders, answers, count(1), b""
        self.session: dict[str, str] = {}
        pages = self.call("Target.getTargets")["targetInfos"]
        target = next(each["targetId"] for each in pages if each["type"] == "page")
        self.session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the result of a command; what else the browser says is left out. Raise RuntimeError."""
        number = next(self.number)
        order = {"id": number, "method": method, "params": parameters, **self.session}
        os.write(self.orders, json.dumps(order).encode() + b"\0")
        while True:
            answer = self._answer()
            if answer.get("id") == number:
                if "error" in answer or "exceptionDetails" in answer["result"]:
                    raise RuntimeError(f"{method}: {answer}")
                return dict(answer["result"])

    def _answer(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            more = os.read(self.answers, 1 << 20)
            if not more:
                raise RuntimeError("the browser ended")
            self.rest += more
        text, _nul, self.rest = self.rest.partition(b"\0")
        return dict(json.loads(text))

    def run(self, script: str) -> None:
        """Run a script in the page and wait for what it promises."""
        self.call("Runtime.evaluate", expression=script, awaitPromise=True)

    def seconds(self, path: Path) -> tuple[float, float]:
        """Return how long a report takes until it is there and drawn, and how long its filter takes."""
        begun = time.monotonic()
        self.call("Page.navigate", url=path.as_uri())
        self.run(LOADED)
        self.run(DRAWN)
        usable = time.monotonic() - begun
        for word in ('"host-0007"', '""'):
            self.run(FILTER.replace("WORD", word))
            self.run(DRAWN)
        return usable, (time.monotonic() - begun - usable) / 2

    def screenshot(self) -> bytes:
        """Return what is on the screen as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])


@contextmanager
def chromium(program: str) -> Iterator[Browser]:
    """Have a browser with a profile of its own for a block."""
    (theirs, orders), (answers, ours) = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory() as profile:
        shell = ["sh", "-c", f'exec "$@" 3<&{theirs} 4>&{ours}', "sh"]
        argv = [*shell, program, *QUIET, "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(argv, pass_fds=(theirs, ours), stderr=subprocess.DEVNULL)
        os.close(theirs)
        os.close(ours)
        try:
            yield Browser(orders, answers)
        finally:
            process.terminate()
            process.wait(30)
            os.close(orders)
            os.close(answers)
