# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/action/report.py and docs/modules/report.yml; a test compares them. Change those
# instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Collect the results of a maintenance run into one report
version_added: 0.1.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - Collects every registered C(cryptobot_result_*) of all hosts of the play into one report and publishes it as JSON,
    as a self-contained HTML page and as a Prometheus textfile, under a folder of its own for each run.
  - Hosts that failed or could not be reached are in the report as V(unknown), never left out.
  - Prints a short summary. With O(judge=true) each host fails by itself where one of its findings is as bad as
    O(fail_on), where it was lost, or where a procedure failed, so that C(ansible-playbook) ends non-zero and its
    recap names the right hosts.
  - Runs on the controller alone and connects to no host. Run it in the last play, once to write the report, with
    C(run_once), and then for each host with O(judge=true). Where the strategy of the play does not know C(run_once),
    the report is written once all the same.
  - Sets the statistic C(cryptobot_report), which AWX keeps as an artifact of the job.
options:
  dir:
    description:
      - Folder of the reports on the controller. Each run gets C(<dir>/<run id>/) with C(report.json), C(report.html)
        and C(cryptobot.prom), readable by its owner only, and C(<dir>/latest) is switched to it in one step.
      - A run in check mode is kept in C(<dir>/check), one narrowed by tags, limit or the like in C(<dir>/partial), each
        with a C(latest) of its own.
    type: path
    required: true
  title:
    description: Name of the run in the report, such as the playbook's.
    type: str
    default: maintenance
  fail_on:
    description:
      - The status of a finding from which on the run fails.
      - A host that was lost and a procedure that failed make the run fail with any value but V(never).
    type: str
    choices: [warning, unknown, critical, never]
    default: critical
  keep:
    description: Number of runs that are kept; older ones are removed after the new one has been published.
    type: int
    default: 90
  keep_size:
    description:
      - How much all runs together may hold, such as V(500M) or V(2G). While it is more, the oldest are removed,
        whichever place they are in, but for this run and what each C(latest) names.
      - Nothing is ever removed that this module did not write. A run in whose folder lies something else stays.
    type: str
    default: 2G
  textfile_dir:
    description: Folder of a node exporter's textfile collector on the controller. The metrics of a whole run are put
      there as C(cryptobot_<title>.prom), readable by everybody.
    type: path
  hosts_asked:
    description: Names of the hosts that a whole run is about. A run that targets fewer is a part.
    type: list
    elements: str
    default: []
  judge:
    description: Write nothing, and fail where this host is bad.
    type: bool
    default: false
extends_documentation_fragment: [cryptobot.maintenance.attributes]
attributes:
  check_mode:
    support: full
    details: The report of a check mode run is written as well, and says that nothing was changed.
  diff_mode:
    support: none
  idempotent:
    support: N/A
    details: Each run is a report of its own. The hosts are not touched.
  platform:
    support: full
    platforms: posix
notes:
  - The shape of C(report.json) is documented in C(docs/report.md) and as a JSON schema in C(docs/report.schema.json).
"""

EXAMPLES = r"""
- name: Report
  hosts: cryptobot
  gather_facts: false
  tasks:
    - name: Write the report
      cryptobot.maintenance.report:
        dir: "{{ cryptobot_report_dir }}"
      run_once: true

    - name: Judge each host
      cryptobot.maintenance.report:
        dir: "{{ cryptobot_report_dir }}"
        fail_on: critical
        judge: true
"""

RETURN = r"""
status:
  description: The worst status of the run, with O(judge=true) of the host.
  returned: always
  type: str
  sample: warning
path:
  description: Folder of this run's report.
  returned: when the report was written
  type: str
  sample: /var/lib/cryptobot-maintenance/reports/20261122T020000Z-5f3a91
"""
