# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``state: listed``: what is in the backup folder. Reads only."""

from __future__ import annotations

from ...finding import Result
from ...host import Host
from ..access.gather import gather_access
from ..catalog.gather import read_catalog
from ..context import Context
from ..judge import judge
from ..report import describe_catalog, metrics
from ..settings import Settings


def listed(settings: Settings, host: Host, _check_mode: bool) -> Result:
    """Return every set with what its manifest and its verification say."""
    catalog = read_catalog(settings.dir, host, settings.sign_key, settings.others)
    context = Context(settings, catalog, host.now(), access=gather_access(catalog, host), platform=host.platform)
    return Result(findings=judge(context), metrics=metrics(context), data=describe_catalog(catalog))
