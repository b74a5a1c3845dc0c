# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The places of Linux that no rule may touch (hier(7)), and those of Apple, in case a disk of one is mounted. Pure."""

from __future__ import annotations

from ..places import Places, posix_absolute


def _same(path: str) -> str:
    return path


LINUX = Places(
    sealed=(
        *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run", "/sbin", "/sys"),
        *("/usr", "/var/lib/dpkg", "/var/lib/rpm", "/var/lib/postgresql", "/var/lib/pgsql", "/var/lib/mysql"),
        *("/var/lib/redis", "/Applications", "/Library", "/System", "/private/etc", "/private/var/db"),
    ),
    roots=(
        *("/", "/home", "/media", "/mnt", "/opt", "/private", "/private/var", "/root", "/srv", "/Users", "/var"),
        "/var/lib",
    ),
    homes=("/home", "/Users"),
    absolute=posix_absolute,
    guarded=posix_absolute,
    key=_same,
)
