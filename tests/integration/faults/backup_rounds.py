# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take set after set as a host of a name of its own: one of several that share a backup folder.

Usage: backup_rounds.py OPTIONS NAME ROUNDS [PAUSE]

OPTIONS are the module's options as JSON, PAUSE is the seconds between two rounds. Prints a JSON line for each round:
the set's id, or why there is none.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
importlib.import_module("conftest")
CORE = "ansible_collections.cryptobot.maintenance.plugins.module_utils"


def main() -> None:
    run = importlib.import_module(f"{CORE}.backup.run").run
    choose_host = importlib.import_module(f"{CORE}.host").choose_host
    options, name, rounds = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    pause = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0
    for _round in range(rounds):
        time.sleep(pause)
        host = choose_host(600.0)
        host.name = lambda: name
        result = run(options, host, False)
        print(json.dumps({"id": (result.data["set"] or {}).get("id"), "failure": result.failure}), flush=True)


if __name__ == "__main__":
    main()
