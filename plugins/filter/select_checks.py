# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Optional

from ansible.errors import AnsibleFilterError

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.areas import AREAS

DOCUMENTATION = r"""
name: select_checks
short_description: Narrow the areas of a checkup to those that the tags of a run ask for
version_added: "0.1.0"
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - A checkup is one task for many procedures, so tags cannot choose among them by themselves. This filter does it, by
    the same rules that C(ansible-playbook) follows for tasks.
  - An area goes by its own name and by the ids of its procedures.
positional: _input, run_tags, skip_tags, procedures
options:
  _input:
    description: The O(cryptobot.maintenance.checkup#module:checks) to narrow, a dict of area to options.
    type: dict
    required: true
  run_tags:
    description: The tags that were asked for, C(ansible_run_tags).
    type: list
    elements: str
    required: true
  skip_tags:
    description: The tags that were declined, C(ansible_skip_tags).
    type: list
    elements: str
    default: []
  procedures:
    description: Ids of the procedures that the run holds at all; every one where it is left out.
    type: list
    elements: str
seealso:
  - plugin: cryptobot.maintenance.checkup
    plugin_type: module
"""

EXAMPLES = r"""
- name: Look at what the tags ask for
  cryptobot.maintenance.checkup:
    checks: "{{ checks | cryptobot.maintenance.select_checks(ansible_run_tags, ansible_skip_tags) }}"
  vars:
    checks:
      resources: {}
      firewall:
        policy: "{{ cryptobot_firewall_policy }}"
"""

RETURN = r"""
_value:
  description: The areas that remain, with their options.
  type: dict
"""

EVERYTHING = frozenset({"all", "tagged", "always"})


def select_checks(
    checks: Mapping[str, Any],
    run_tags: Collection[str],
    skip_tags: Collection[str] = (),
    procedures: Optional[Collection[str]] = None,
) -> dict[str, Any]:
    """Given a checkup's areas, the tags of the run and its procedures, return the areas that remain.

    Raise AnsibleFilterError where an area is none of a checkup's.
    """
    unknown = sorted(set(checks) - set(AREAS))
    if unknown:
        raise AnsibleFilterError(
            f"select_checks: {unknown[0]!r} is no area of a checkup, expected one of {sorted(AREAS)}"
        )
    names = {area: {area, *AREAS[area].procedures} for area in checks}
    wanted, declined = set(run_tags), set(skip_tags)
    # Only what remains is looked at, for that is when Ansible templates it: a mistake in another is none of this run.
    return {
        area: checks[area]
        for area in checks
        if (wanted & EVERYTHING or wanted & names[area])
        and not declined & names[area]
        and (procedures is None or names[area] & set(procedures))
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"select_checks": select_checks}
