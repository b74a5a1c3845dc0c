# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run service_restart in a process of its own, which a test can kill: options as JSON on stdin, result on stdout."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

if __name__ == "__main__":
    importlib.import_module("conftest")  # makes the checkout importable
    core = "ansible_collections.cryptobot.maintenance.plugins.module_utils"
    run = importlib.import_module(f"{core}.restart.run").run
    host = importlib.import_module(f"{core}.host").LinuxHost(float(sys.argv[1]))
    print(json.dumps(run(json.load(sys.stdin), host).as_dict()))
