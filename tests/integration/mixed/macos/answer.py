# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tool of macOS on a host that is none: it answers with what was recorded, under whatever name it is called.

The table beside it holds (command line, file, exit code): the longest that the asked command line begins with answers.
What is not in the table fails as a tool fails that does not know its words, and is written down for the tests to see.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def answer(line: str) -> tuple[str, int]:
    """Given a command line, return what to print and the exit code."""
    table = json.loads((HERE / "answers.json").read_text("utf-8"))
    fitting = [entry for entry in table if line == entry[0] or line.startswith(entry[0] + " ")]
    if not fitting:
        with (HERE / "unanswered.log").open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        return "", 64  # EX_USAGE of sysexits(3)
    _words, name, code = max(fitting, key=lambda entry: len(entry[0]))
    return (HERE / "recorded" / name).read_text("utf-8"), code


def main() -> int:
    printed, code = answer(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]))
    sys.stdout.write(printed)
    return code


if __name__ == "__main__":
    sys.exit(main())
