# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading of ``.env`` files."""

from __future__ import annotations

from pathlib import Path


def read_environment(path: Path) -> dict[str, str]:
    """Given a ``.env`` file of ``KEY=value`` lines, return its pairs; comments and other lines are left out.

    A file that is missing or not ours to read gives nothing: systemd then hands the values over by itself.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, PermissionError):
        return {}
    pairs = [line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#")]
    return {key.strip(): value.strip().strip('"') for key, _unused, value in pairs}
