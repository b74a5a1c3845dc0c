# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets of packages on top of a base, installed once by apt and kept as overlay layers.

Layers are chained, never siblings: each is built on top of the ones before it, because the
dpkg status file of one sibling would hide what the other installed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from . import artifact, base, overlay
from .errors import FleetError

LAYERS: dict[str, tuple[str, ...]] = {
    "admin": (
        "acl",
        "ca-certificates",
        "cron",
        "curl",
        "iproute2",
        "iptables",
        "iputils-ping",
        "kmod",
        "logrotate",
        "netbase",  # firewalld and others die without /etc/protocols
        "netcat-openbsd",
        "nftables",
        "procps",
        "python3-apt",
        "rsyslog",
        "sqlite3",
        "sudo",
        "zstd",
    ),
    # the release's own server: 13 on bullseye, 15 on bookworm, 17 on trixie
    "pg": ("locales", "postgresql", "python3-psycopg2"),
    "pgbackrest": ("pgbackrest",),
    "firewalld": ("firewalld",),
    "redis": ("redis-server",),
    "ufw": ("ufw",),
}

# C.UTF-8 because PostgreSQL makes its cluster with the encoding of this locale.
INSTALL = """set -e
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d  # start nothing while building
chmod 0755 /usr/sbin/policy-rc.d
apt-get -q update
apt-get -q -y -o APT::Keep-Downloaded-Packages=true --no-install-recommends install "$@"
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt/* /usr/sbin/policy-rc.d
"""
PROXIES = ("http_proxy", "https_proxy", "no_proxy")


def packages(layer: str) -> tuple[str, ...]:
    """Given a layer's name, return its packages. Raise FleetError for a name that is not in the table."""
    if layer not in LAYERS:
        raise FleetError(f"layer {layer!r} is not known; expected one of: {', '.join(sorted(LAYERS))}")

    return LAYERS[layer]


def key(release: str, chain: Sequence[str]) -> str:
    """Given a release and its layers from the lowest up, return the key of the topmost one.

    It changes with the packages of any layer in the chain, with their order, and with the base.
    """
    below = key(release, chain[:-1]) if chain else base.key(release)

    return artifact.digest(["layer", below, packages(chain[-1]), INSTALL]) if chain else below


def rest_of_name(release: str, chain: Sequence[str]) -> str:
    """Return what follows `layer-RELEASE-` in the name under which the topmost layer of the chain is published."""
    return f"{'+'.join(chain)}-{key(release, chain)}"


def ensure(release: str, chain: Sequence[str]) -> list[Path]:
    """Given a release and its layers from the lowest up, return the folders to mount, built where missing."""
    for layer in chain:
        packages(layer)
    stack = [base.ensure(release)]
    for count in range(1, len(chain) + 1):
        stack.append(_ensure_top(release, chain[:count], list(stack)))

    return stack


def _ensure_top(release: str, chain: Sequence[str], below: list[Path]) -> Path:
    rest = rest_of_name(release, chain)

    return artifact.ensure("layer", release, rest, lambda folder: _build(release, chain[-1], below, folder)) / "upper"


def _build(release: str, layer: str, below: list[Path], folder: Path) -> None:
    root = overlay.mount(below, folder)
    argv = install_argv(root, base.packages_cache(release), packages(layer))
    try:
        artifact.run(argv, folder)
    finally:
        overlay.unmount_below(folder)
    for scratch in ("work", "root"):
        overlay.remove(folder / scratch)


def install_argv(root: Path, packages_cache: Path, wanted: Sequence[str]) -> list[str]:
    """Return the command that installs the packages into a root; the .deb files land in the shared cache."""
    proxies = [f"--setenv={name}={os.environ[name]}" for name in PROXIES if name in os.environ]

    return [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--as-pid2",
        "--console=pipe",
        "--machine=fleet-build",
        "--timezone=off",
        "--resolv-conf=bind-host",
        f"--directory={root}",
        f"--bind={packages_cache}:/var/cache/apt/archives",
        *proxies,
        "sh",
        "-c",
        INSTALL,
        "install",
        *wanted,
    ]
