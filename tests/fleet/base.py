# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Debian roots that every host stands on: debootstrap's minimum with systemd and sshd, made fit for a container."""

from __future__ import annotations

import os
from pathlib import Path

from . import artifact, paths

RELEASES = ("bullseye", "bookworm", "trixie")
DEFAULT_RELEASE = "bookworm"
PACKAGES = ("systemd", "systemd-sysv", "dbus", "python3", "openssh-server", "iproute2")
MIRROR_VARIABLE = "CRYPTOBOT_TEST_MIRROR"

FILES: dict[str, str] = {
    # No resolver answers inside the switch; with the machine's own, each lookup would hang until it times out.
    "etc/resolv.conf": "",
    "etc/hostname": "",
    "etc/machine-id": "",
    "etc/default/locale": "LANG=C.UTF-8\n",
    "etc/systemd/journald.conf.d/fleet.conf": "[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n",
    "etc/ssh/sshd_config.d/fleet.conf": (
        "UseDNS no\nPermitRootLogin prohibit-password\nHostKey /etc/ssh/ssh_host_ed25519_key\n"
    ),
}

# They make no sense in a container and only cost boot time.
MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "e2scrub_reap.service",
    "getty.target",
    "systemd-networkd-wait-online.service",
    "systemd-networkd.service",
)


def key(release: str) -> str:
    """Given a release, return the key of its root: it changes when anything that goes into the root does."""
    return artifact.digest(["base", release, PACKAGES, FILES, MASKED])


def debootstrap_argv(release: str, root: Path, packages_cache: Path, mirror: str = "") -> list[str]:
    """Given the release and the folders, return the command. Without a mirror debootstrap takes its own default."""
    return [
        "debootstrap",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        f"--cache-dir={packages_cache}",
        release,
        str(root),
        *([mirror] if mirror else []),
    ]


def packages_cache(release: str) -> Path:
    """Return the folder of downloaded .deb files, shared by all builds of one release."""
    folder = paths.cache() / "packages" / release
    folder.mkdir(parents=True, exist_ok=True)

    return folder


def ensure(release: str) -> Path:
    """Return the root folder of the release, built on the first call."""
    return artifact.ensure("base", release, key(release), lambda folder: _build(release, folder)) / "root"


def _build(release: str, folder: Path) -> None:
    root = folder / "root"
    argv = debootstrap_argv(release, root, packages_cache(release), os.environ.get(MIRROR_VARIABLE, ""))
    artifact.run(argv, folder)
    _adapt(root)


def _adapt(root: Path) -> None:
    for key_file in (root / "etc/ssh").glob("ssh_host_*"):
        key_file.unlink()
    for name, text in FILES.items():
        write(root, name, text)
    for unit in MASKED:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")


def write(root: Path, name: str, text: str, mode: int = 0o644) -> None:
    """Write a file inside a root; a symlink there is replaced, for its target would be taken from the machine."""
    target = root / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
