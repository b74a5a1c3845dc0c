# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real systemd hosts for the tests, on one Linux machine, with nothing but systemd-nspawn.

A host is an overlay on a shared, cached Debian root, with its own network namespace, its own
machine-id and ssh host key, and sshd. The hosts of a fleet share a bridge that lives in a network
namespace of its own (the switch), so no address of a fleet exists anywhere else on the machine,
and two fleets may use the same addresses at the same time.

    cli.py        the commands                    arguments.py  the command line
    plan.py       what a fleet shall be           lifecycle.py  up, down, stop, start
    host.py       files, container, readiness     cgroup.py     one per host: the way to kill it
    network.py    namespaces, bridge, links       overlay.py    overlay mounts
    base.py       debootstrap roots, cached       layers.py     apt layers on top, cached
    artifact.py   build once, publish by rename   prune.py      the cache, less what is outdated
    state.py      which fleets there are          owner.py      for which process each one is
    inventory.py  Ansible inventory, ssh config   access.py     ways into a host
    handle.py     a fleet as an object            check.py      why this machine cannot
    lock.py       locks that leave nothing        paths.py      where things lie

Needs root; the Debian packages are listed in requirements-debian.txt. Python 3.9+, standard library only.
"""
