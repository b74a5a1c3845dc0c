# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The places of macOS that no rule may touch, and the two names that many of its folders have. Pure.

Since macOS 10.15 the system is one volume and the data another, joined by firmlinks: /Users and
/System/Volumes/Data/Users are the same folder. /tmp, /var and /etc are symlinks of the system into /private.
"""

from __future__ import annotations

import unicodedata

from ...paths import is_within
from ..places import Places, posix_absolute

HOMEBREW = ("/opt/homebrew", "/usr/local")
OF_HOMEBREW = (
    *("bin", "sbin", "Cellar", "Caskroom", "Homebrew", "Library", "etc", "lib", "share", "Frameworks"),
    *("var/postgres", "var/mysql", "var/db", "var/homebrew"),
)
DATA_VOLUME = "/System/Volumes/Data"
IN_PRIVATE = ("/etc", "/tmp", "/var")  # noqa: S108 - names to be recognised; nothing is put there


def mac_absolute(name: str, path: str) -> str:
    """Given a path of the inventory, return it by the name that leads there without a symlink of the system.

    Raise InputError where it is relative or leads up again.
    """
    clean = posix_absolute(name, path)
    if is_within(mac_key(clean), mac_key(DATA_VOLUME)):
        clean = clean[len(DATA_VOLUME) :] or "/"
    if any(is_within(mac_key(clean), prefix) for prefix in IN_PRIVATE):
        return f"/private{clean}"
    return clean


def mac_key(path: str) -> str:
    """Return a path as the file system compares it: APFS takes cases and ways to compose a letter as the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


MACOS = Places(
    sealed=(
        *("/Applications", "/Library", "/System", "/Network", "/bin", "/sbin", "/dev", "/cores", "/.vol"),
        # /usr is the system's but for /usr/local, which is the site's, and Homebrew's on Intel
        *(f"/usr/{name}" for name in ("X11", "X11R6", "bin", "lib", "libexec", "sbin", "share", "standalone")),
        *("/private/etc", "/private/var/db", "/private/var/root", "/private/var/vm", "/private/var/protected"),
        *(f"{brew}/{name}" for brew in HOMEBREW for name in OF_HOMEBREW),
        *(f"{brew}/var/postgresql@{release}" for brew in HOMEBREW for release in range(10, 20)),
        "/opt/homebrew/opt",
    ),
    roots=(
        *("/", "/opt", "/opt/homebrew", "/opt/homebrew/var", "/private", "/private/var", "/private/var/folders"),
        *("/Users", "/Volumes", "/usr", "/usr/local", "/usr/local/opt", "/usr/local/var"),
    ),
    homes=("/Users", "/Volumes"),
    absolute=mac_absolute,
    guarded=mac_absolute,
    key=mac_key,
    home_roots=("library", "library/application support", "library/containers", "library/group containers"),
)
