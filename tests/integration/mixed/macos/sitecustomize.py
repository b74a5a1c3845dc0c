# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every Python that finds this file on its path says that it is on macOS.

The core chooses its platform by sys.platform, so this is where it is changed; everything else stays Linux. Modules of
the standard library that look for parts that only macOS has when they are imported, are imported before.
"""

from __future__ import annotations

import ssl  # noqa: F401  # pylint: disable=unused-import
import sys
import urllib.request  # noqa: F401  # pylint: disable=unused-import

sys.platform = "darwin"
