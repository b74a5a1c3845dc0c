# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""These tests load real rules into namespaces that they make: that takes root and the Debian packages in NEEDS."""

from __future__ import annotations

import os
import shutil

import pytest

NEEDS = {"nft": "nftables", "iptables-nft": "iptables", "ip": "iproute2", "ipset": "ipset", "conntrack": "conntrack"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip with the reason where namespaces cannot be made or a tool is missing."""
    missing = [package for tool, package in NEEDS.items() if shutil.which(tool) is None]
    reason = "needs root" if os.geteuid() else f"needs the packages {' '.join(missing)}" if missing else ""
    if missing and not os.geteuid() and os.environ.get("CI") == "true":
        raise pytest.UsageError(f"CI must run the firewall's tests: {reason}")
    for item in items:
        if reason and "fuzz/firewall" in item.nodeid:
            item.add_marker(pytest.mark.skip(reason=reason))
