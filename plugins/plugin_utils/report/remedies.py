# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A remedy of the catalogue, made one for this host and procedure: what a report shows can be pasted. Pure."""

from __future__ import annotations

import shlex

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.areas import AREAS

HOST = "<host>"
# A procedure is asked for by the tag of its area; a checkup looks at several, so no tag asks for it alone.
TAGS = " --tags <procedure>"


def fitted(remedy: str, area: str, host: str) -> str:
    """Given a remedy, and the area and host that it is for, return it so that it names that host and the procedure."""
    named = remedy.replace(HOST, shlex.quote(host)) if remedy else ""
    return named.replace(TAGS, f" --tags {area}" if area in AREAS else "")
