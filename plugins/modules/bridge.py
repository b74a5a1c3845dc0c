# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bridge
short_description: Have the Python of a Windows host run the collection's core
version_added: "0.1.0"
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - On a Windows host every other module of this collection is run by this one. It is not meant for playbooks; it has a
    page so that an administrator can read what is done on the host.
  - It keeps what is asked for of the core, the part of the collection that runs on hosts, as a zip in a folder that
    only SYSTEM and the Administrators may change, and has Cryptobot's own Python run it. The request goes to that
    Python by its standard input and the answer comes back by its standard output, both as ASCII JSON; nothing of
    either is in a command line, in the environment or in a file. A zip that nobody used for a week is removed when
    another arrives.
  - Before each use it verifies who owns the folder and who is granted what in it, and the SHA-256 of the zip, which it
    holds open meanwhile so that nobody can exchange it.
options:
  detached:
    description:
      - Whether nobody will bring the core where it is missing, as in a job of C(async). Then that is a failure.
    type: bool
    default: false
  dir:
    description:
      - Folder for the zip. It is made, protected, where it does not exist.
      - The host variable C(cryptobot_bridge_dir) sets it.
    type: path
    default: '%ProgramData%\cryptobot-maintenance\bridge'
  payload:
    description:
      - The core, packed by gzip and written in base64.
      - It is sent only where the answer without it has RV(payload_present=false), so it travels once to each host.
    type: str
  payload_sha256:
    description: The SHA-256 of the unpacked core, 64 hexadecimal digits in lower case.
    type: str
    required: true
  python:
    description:
      - Path of the Python to use, or a name (not a pattern) to look for on C(PATH). It must be version 3.9 or newer.
      - The host variable C(cryptobot_python) sets it.
    type: str
    default: python.exe
  request:
    description:
      - What the core is to do, as ASCII JSON.
      - Without it, the module only sees to it that the core is on the host.
    type: str
  secrets:
    description: Values that must not be shown, should something else than Python print what it was given.
    type: list
    elements: str
  state_dir:
    description:
      - Folder in which the core keeps what it remembers. The module makes it, protected, where it does not exist (not
        in check mode), looks who could change it, and tells the core, which believes nothing in it where others could.
    type: path
  timeout:
    description: Seconds after which Python is ended, together with everything that it has started.
    type: int
    default: 600
extends_documentation_fragment:
  - cryptobot.maintenance.attributes
attributes:
  check_mode:
    support: full
    details: The core is kept on the host in check mode too. Whether it may change anything else is said in O(request).
  diff_mode:
    support: full
    details: What the core returns as RV(ignore:diff) is handed on.
  idempotent:
    support: N/A
    details: It depends on the request.
  platform:
    support: full
    platforms: windows
seealso:
  - module: cryptobot.maintenance.runner
  - module: cryptobot.maintenance.checkup
"""

EXAMPLES = r"""
- name: See whether this core is on the host already, without running anything
  cryptobot.maintenance.bridge:
    payload_sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  register: present
"""

RETURN = r"""
payload_present:
  description:
    - Whether the core is on the host, verified.
    - Where a O(request) could be answered, the core's answer is returned and nothing else.
  returned: when there is no answer
  type: bool
  sample: false
rc:
  description: Exit code of Python.
  returned: when Python ran and gave no answer
  type: int
  sample: 1
stderr:
  description: The end of what Python wrote to its standard error, at most 16 KiB, without secrets.
  returned: when Python ran and gave no answer
  type: str
  sample: "Traceback (most recent call last): ..."
"""
