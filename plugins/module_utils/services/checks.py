# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of what service_check can find."""

from __future__ import annotations

from ..finding import Check, catalogue

CHECKS = catalogue(
    Check(
        "services.platform",
        "D1.2",
        "The services of this platform can be looked at.",
        "Look at the services of this host with its own tools.",
        "unknown is never ok: a platform without a gatherer is not a healthy one",
    ),
    Check(
        "services.state",
        "D1.2",
        "Each declared service is in its declared state: started or stopped.",
        "Read its log (journalctl -u UNIT -n 50), remove the cause, then start it.",
        "states and sub-states of systemctl(1); exit codes of systemd.exec(5); Win32_Service.State; launchctl print",
    ),
    Check(
        "services.enabled",
        "D1.2",
        "Each managed service is started at boot exactly if the inventory says so.",
        "systemctl enable UNIT (or disable), or correct `enabled` in the inventory.",
        "UnitFileState in systemctl(1), is-enabled; StartMode of Win32_Service; launchctl print-disabled and the plist",
    ),
    Check(
        "services.pid_file",
        "D1.2",
        "The pid file of a script-started service names a process that is this service.",
        "Make sure that the service does not run, then remove the pid file; service_check never does.",
        "pids are reused: a file that outlives its process sooner or later names a stranger",
    ),
    Check(
        "services.restarts",
        "D1.2",
        "A service does not keep restarting.",
        "Read its log around the restarts (journalctl -u UNIT --since -2h) for what ended it.",
        "warning from 1, critical from 3 automatic restarts in an hour (the application's own rollback matrix); the "
        "journal, the runs of launchd, the events 7031 and 7034 of Windows",
    ),
    Check(
        "services.workers",
        "D1.2",
        "The workers of a service live on; they do not die and get started again behind its main process.",
        "Read its log for what ends them (journalctl -u UNIT -n 50): often an import or a start that fails.",
        "two looks at the children of the main process, 2 s apart, where one is younger than 30 s, one is missing or a "
        "port is closed: the service manager counts no restart of a child",
    ),
    Check(
        "services.daemon_reload",
        "D1.2",
        "What systemd has loaded of a unit is what is on the disk.",
        "systemctl daemon-reload, then restart the service in its window.",
        "NeedDaemonReload in org.freedesktop.systemd1(5); skipped on macOS and Windows, which have no such copy",
    ),
    Check(
        "services.port_owner",
        "D1.2",
        "Each declared port is listened on by that very service and by nobody else.",
        "End the stray process after looking at what it is, or correct the port in the inventory.",
        "the socket's inode, found among the open files of the service's processes; lsof; Get-NetTCPConnection",
    ),
    Check(
        "services.bind",
        "D1.2",
        "A service listens on the declared address and on no wider one.",
        "Bind the service to the declared address in its own configuration; a firewall is the second line only.",
    ),
    Check(
        "services.http",
        "D1.2",
        "A service answers its own probe with an accepted code and body.",
        "Read the service's log at the time of the probe; ask the same URL with curl -i.",
        "only some services have /health, so each names its own path and codes",
    ),
    Check(
        "services.latency",
        "D1.2",
        "A service answers its probe fast enough (95th percentile of the samples).",
        "Look at load, database and exchange latency; restart only if its memory has grown.",
        "warning above 1 s (the application's own alert rule)",
    ),
    Check(
        "services.certificate",
        "D1.2",
        "The certificate of a service that is probed over TLS lasts long enough.",
        "Renew the certificate and reload the service.",
        "warning 21 days before the end: time for a manual renewal with a holiday in between",
    ),
    Check(
        "services.port_drift",
        "D1.2",
        "Unit, environment, configuration, command line and inventory name the same port for a service.",
        "Decide which place is right and correct the others; the inventory is what the other checks believe.",
        "the application ships seven port maps that contradict each other",
    ),
    Check(
        "services.restart_pending",
        "D1.2",
        "A service runs what is on the disk: its program, libraries, unit and configuration have not changed since.",
        "Restart it in its window (procedure W1.4).",
        "needrestart's rule: mapped program files that were deleted or replaced; by time on macOS and Windows",
    ),
    Check(
        "services.open_files",
        "D1.2",
        "A service is far enough from its limit of open files.",
        "Raise LimitNOFILE= if the use is honest, else look for connections never closed (ls -l /proc/PID/fd).",
        "70 % and 90 %, the thresholds of resource_check for the whole host; skipped on macOS and Windows",
    ),
    Check(
        "services.memory",
        "D1.2",
        "The memory of a service stays below its declared maximum and does not grow steadily.",
        "Restart it in its window (W1.4) and report the growth to its developers.",
        "least-squares slope over the samples since the process began",
    ),
    Check(
        "services.pattern",
        "D1.2",
        "Each pattern of unit names matches as many units as it must.",
        "Correct the pattern, or install the units; a pattern that matches nothing checks nothing.",
    ),
    Check(
        "services.expected_units",
        "D1.2",
        "The units that fit a pattern are the expected ones: none is missing and none is unexpected.",
        "Install what is missing; add what is unexpected to `services` or to the pattern's `expected`, or remove it.",
    ),
    Check(
        "services.maintenance",
        "D1.2",
        "A maintenance marker silences the findings of services for a stated time only.",
        "Remove the marker, or write a new end into it.",
    ),
)
