# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/action/validate.py and docs/modules/validate.yml; a test compares them. Change
# those instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: validate
short_description: Find every mistake in the variables of an inventory before anything acts
version_added: 0.1.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - Checks all C(cryptobot_*) variables of all hosts, by the code that would refuse them on the hosts, and says each
    mistake in one line with its hosts, its place, its value and what is expected.
  - Names variables C(cryptobot_*) that nothing knows, with the known one that was meant.
  - Runs on the controller alone and opens no connection. Hosts whose variables are the same are looked at once. Run
    it with C(run_once), in the first play.
options:
  hosts:
    description: The hosts whose variables are checked.
    type: list
    elements: str
    required: true
  pattern:
    description: What the hosts were chosen by, for the message where there are none.
    type: str
    default: cryptobot
  areas:
    description: What the playbook looks at. A mistake in what it does not is named and does not count.
    type: list
    elements: str
    choices:
      - resources
      - services
      - backup
      - pitr
      - firewall_probe
      - cleanup
      - database
      - restart
      - firewall
    default:
      - resources
      - services
      - backup
      - pitr
      - firewall_probe
      - cleanup
      - database
      - restart
      - firewall
  run_tags:
    description: The tags that were asked for, C(ansible_run_tags); they narrow O(areas).
    type: list
    elements: str
    default: [all]
  skip_tags:
    description: The tags that were declined, C(ansible_skip_tags).
    type: list
    elements: str
    default: []
  fail:
    description: Whether the task fails where there is a mistake, or only says which hosts are to be left out.
    type: bool
    default: true
extends_documentation_fragment: [cryptobot.maintenance.attributes]
attributes:
  check_mode:
    support: full
    details: It changes nothing, in check mode and out of it.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
"""

EXAMPLES = r"""
- name: Validate
  hosts: cryptobot
  gather_facts: false
  tasks:
    - name: Find every mistake in the inventory
      cryptobot.maintenance.validate:
        hosts: "{{ ansible_play_hosts_all }}"
      run_once: true
"""

RETURN = r"""
mistakes:
  description: A line for each mistake.
  returned: where the task does not fail
  type: list
  elements: str
  sample:
    - 'trader1: cryptobot_services[2] (trade).unti: not an option; did you mean unit?'
notes:
  description: A line for each mistake that does not count, because the run does not use what it is in.
  returned: where the task does not fail
  type: list
  elements: str
hosts:
  description: The hosts that are to be left out, and what the report is to say of each.
  returned: where the task does not fail
  type: dict
excluded:
  description: The end of a host pattern that leaves those hosts out.
  returned: where the task does not fail
  type: str
  sample: :!trader1
serial:
  description: What the next play is to use as its C(serial), because C(cryptobot_serial) is wrong.
  returned: where it is
  type: str
nowhere:
  description: Whether there is no host at all.
  returned: where the task does not fail
  type: bool
"""
