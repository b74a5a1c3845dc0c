# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that takes every status for an answer and follows no redirect."""

from __future__ import annotations

import http.client
import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path


def ask(port, path, *, method="GET", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


def ask_each(workers, port, path):
    """Given the process ids of all workers of a port, return what each of them answers: the others sleep meanwhile.

    Asking often is no answer: on a busy machine one worker may take every connection.
    """
    return [ask_awake(worker, workers, port, path) for worker in workers]


def ask_awake(worker, workers, port, path):
    with asleep([other for other in workers if other != worker]):
        return ask(port, path)[1]


@contextmanager
def asleep(pids):
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        while not all(map(stopped, pids)):  # a thread that still runs may take one more connection
            time.sleep(0.001)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def stopped(pid):
    states = [stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    return set(states) == {"T"}
