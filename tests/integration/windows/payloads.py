# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Payloads of the tests' own, for what the core never does: echo, hang, greet, crash."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import zipfile


def payload(source: str) -> dict[str, str]:
    """Given the source of a __main__.py, return the options of the module bridge that bring it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py"), source)
    content = buffer.getvalue()
    return {
        "payload": base64.b64encode(gzip.compress(content)).decode(),
        "payload_sha256": hashlib.sha256(content).hexdigest(),
    }


# Answers with what it was asked, and with as many bytes more as it was asked for.
ECHO = """
import json, sys
asked = json.loads(sys.stdin.buffer.read())
print(json.dumps({"changed": False, "asked": asked, "more": "x" * asked.get("more", 0)}))
"""
COUNT = """
import json, sys
print(json.dumps({"changed": False, "characters": len(sys.stdin.readline().strip())}))
"""
GREET = "print('Welcome to Anaconda')\n" + ECHO
GREET_IN_LINE = "print('Welcome to Anaconda', end=' ')\n" + ECHO
CRASH = "import sys\nsys.stdin.read()\nraise KeyError('orders')\n"
SILENT = "import sys\nsys.stdin.read()\nsys.exit(3)\n"
# Starts a child that would outlive it, writes down both, and never ends.
HANG = """
import os, subprocess, sys, time
child = subprocess.Popen(["sleep", "600"])
with open(sys.stdin.readline().strip()[1:-1], "w") as stream:
    stream.write(f"{os.getpid()} {child.pid}")
time.sleep(600)
"""
# Never reads, so that a large request does not fit into the pipe.
DEAF = "import time\ntime.sleep(600)\n"
