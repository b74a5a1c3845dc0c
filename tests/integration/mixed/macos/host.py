# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a fleet host a "macOS" host: its Python says so, and the tools of macOS answer with what was recorded."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from fleet.handle import Fleet

from .answers import SOCKETFILTERFW, answers

HERE = Path(__file__).resolve().parent
PLACE = "/opt/macos"
PYTHON = f"{PLACE}/python3"
# First on every PATH, so that these are found before the ones of Linux.
FIRST = "/usr/local/sbin"
# Where macOS has tools that no PATH names.
ABSOLUTE = (SOCKETFILTERFW,)


def become_macos(fleet: Fleet, host: str) -> None:
    """Install the stand-ins on a host of a fleet. Raise FleetError where that fails."""
    with tempfile.TemporaryDirectory() as folder:
        _collect(Path(folder))
        fleet.push(host, Path(folder), PLACE)
    fleet.run(host, "sh", "-e", f"{PLACE}/install.sh", *sorted({line.split()[0] for line, _text, _rc in answers()}))


def unanswered(fleet: Fleet, host: str) -> list[str]:
    """Return the command lines that a tool was asked with and that nothing was recorded for."""
    log = f"{PLACE}/unanswered.log"
    return sorted(set(fleet.run(host, "sh", "-c", f"cat {log} 2>/dev/null || true").splitlines()))


def _collect(folder: Path) -> None:
    """Put together what goes to the host."""
    shutil.copy(HERE / "sitecustomize.py", folder)
    program = (HERE / "answer.py").read_text(encoding="utf-8")
    (folder / "answer.py").write_text(f"#!/usr/bin/python3 -I\n{program}", encoding="utf-8")
    (folder / "recorded").mkdir()
    table = []
    for number, (line, text, code) in enumerate(answers()):
        (folder / "recorded" / str(number)).write_text(text, encoding="utf-8")
        table.append((line, str(number), code))
    (folder / "answers.json").write_text(json.dumps(table), encoding="utf-8")
    (folder / "install.sh").write_text(_installer(), encoding="utf-8")


def _installer() -> str:
    """Return the script that makes a tool of each of its words."""
    places = "\n".join(f"mkdir -p $(dirname {path}); ln -sfn {PLACE}/answer.py {path}" for path in ABSOLUTE)
    return f"""chmod 755 {PLACE}/answer.py
for tool; do ln -sfn {PLACE}/answer.py {FIRST}/"$tool"; done
{places}
# The ls of macOS shows access control lists by -e; nothing has one here.
cat > {FIRST}/ls <<'END'
#!/bin/sh
case "$1" in -lde) shift; exec /bin/ls -ld "$@" ;; *) exec /bin/ls "$@" ;; esac
END
chmod 755 {FIRST}/ls
mkdir -p /Library/Logs/DiagnosticReports  # empty: nothing was killed for want of memory
printf '#!/bin/sh\\nPYTHONPATH={PLACE} exec /usr/bin/python3 "$@"\\n' > {PYTHON}
chmod 755 {PYTHON}
"""
