# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A signal ends a service whatever line it interrupts. With threading.Event some of these runs never ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[2] / "demo"
AT_EACH_LINE = """
import signal, sys
sys.path.insert(0, sys.argv[1])
from cryptobot_demo.stop import catch_signals
stop, left = catch_signals(), int(sys.argv[2])

def trace(frame, event, _argument):
    global left
    left -= 1
    if left == 0:
        signal.raise_signal(signal.SIGTERM)
    return trace

sys.settrace(trace)
while not stop.wait(0.01):
    pass
sys.settrace(None)
print("ended")
"""


@pytest.mark.parametrize("line", range(1, 40))
def test_a_signal_at_any_line_of_the_wait_ends_it(line):
    command = [sys.executable, "-c", AT_EACH_LINE, str(DEMO), str(line)]
    assert subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout == "ended\n"
