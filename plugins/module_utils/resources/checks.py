# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of the noun resources, for docs/checks.md: what is looked at, from where on it is bad, and who says so."""

from __future__ import annotations

from ..finding import Check, catalogue

_MIXIN = "prometheus/node_exporter, docs/node-mixin"
_AWESOME = "samber/awesome-prometheus-alerts, host-and-hardware"
_CRYPTOBOT = "Cryptobot's own alert rules and technical specification"

CHECKS = catalogue(
    Check(
        "resources.platform",
        "D1.1",
        "Whether this collection knows how to look at the resources of this kind of host.",
        "Run resource_check on a supported platform, or take this host out of the play.",
    ),
    Check(
        "resources.mounts",
        "D1.1",
        "Whether the table of mounts could be read, and every mount that the thresholds name is mounted.",
        "Mount it (`mount PATH`, then /etc/fstab), or take it out of cryptobot_thresholds.mounts.",
    ),
    Check(
        "resources.not_looked_at",
        "D1.1",
        "Every mount or volume that the other checks leave out, by name and with the reason.",
        "Nothing, as long as none of them holds data that can grow; else look at it yourself (`df -h PATH`).",
    ),
    Check(
        "resources.disk_space",
        "D1.1",
        "Free space of each mounted file system, as a share of what ordinary accounts can use, and in bytes.",
        "See what uses it (`du -xh --max-depth=1 MOUNT | sort -h`), run disk_cleanup, or enlarge the file system.",
        f"Warning below 20 % free: {_CRYPTOBOT} (HighDiskUsage). Critical below 5 %: technical specification, and the "
        f"lower bound of {_MIXIN} (NodeFilesystemAlmostOutOfSpace). The share is counted as POSIX df does.",
    ),
    Check(
        "resources.inodes",
        "D1.1",
        "Free inodes of each mounted file system that has a fixed number of them.",
        "Find the folder with too many small files (`du -x --inodes --max-depth=2 MOUNT | sort -n`) and clean it.",
        f"Warning below 10 %: {_AWESOME} (HostOutOfInodes). Critical below 3 %: {_MIXIN} "
        "(NodeFilesystemAlmostOutOfFiles).",
    ),
    Check(
        "resources.disk_forecast",
        "D1.1",
        "When each file system will be full, from what earlier runs measured (three samples over a day at least).",
        "Find what grows (compare `du` of two days), rotate or clean it, or enlarge the file system in time.",
        f"Full within 24 h and less than 40 % free: warning; within 4 h and less than 20 %: critical. {_MIXIN} "
        "(NodeFilesystemSpaceFillingUp). The slope is Theil and Sen's median of slopes, which one cleanup cannot tilt.",
    ),
    Check(
        "resources.memory",
        "D1.1",
        "Memory that new work can get without swapping, of the machine or of the limit that this container has; on "
        "Windows of the commit limit where that is scarcer; on macOS the kernel's own word on the pressure counts too.",
        "See who uses it (`ps -eo pid,rss,args --sort=-rss | head`), restart what leaks, or add memory.",
        f"Warning below 10 %: {_AWESOME} (HostOutOfMemory). Critical below 5 %: half of that, where the kernel begins "
        "to kill.",
    ),
    Check(
        "resources.swap",
        "D1.1",
        "Used swap space: swap, page files of Windows, or the swap files of macOS with the room they can grow into.",
        "See who was swapped out (`grep VmSwap /proc/*/status | sort -k2 -n | tail`); memory is short or was.",
        f"Warning above 80 %: {_AWESOME} (HostSwapIsFillingUp).",
    ),
    Check(
        "resources.load",
        "D1.1",
        "Load average over 15 minutes for each processor; on Windows, which has none, the processor queue now.",
        "See what runs and what waits (`top`, `ps -eo state,pid,args | grep '^[RD]'`).",
        f"Warning above 2: {_MIXIN} (NodeSystemSaturation: for 15 minutes, which a single look can only see in the "
        "15 minute average). Critical is not set, because waiting for a disk counts as load too.",
    ),
    Check(
        "resources.cpu",
        "D1.1",
        "Processor time in use, in a short sample; a peak counts only where the load of 5 minutes confirms it.",
        "See what runs (`top`); move work, or add processors.",
        f"Warning above 80 % for 5 minutes: {_CRYPTOBOT} (HighCpuUsage), {_AWESOME} (HostHighCpuLoad).",
    ),
    Check(
        "resources.iowait",
        "D1.1",
        "Processor time spent waiting for storage, in a short sample.",
        "See who writes (`iotop -obn1`), and whether the disk is ill (`dmesg`, `smartctl -a`).",
        f"Warning above 10 %: {_AWESOME} (HostCpuHighIowait).",
    ),
    Check(
        "resources.steal",
        "D1.1",
        "Processor time that the hypervisor gave to others, in a short sample.",
        "The machine below is overbooked, or credits are used up: ask its provider, or move the host.",
        f"Warning above 10 %: {_AWESOME} (HostCpuStealNoisyNeighbor).",
    ),
    Check(
        "resources.open_files",
        "D1.1",
        "Open files of the whole system against the kernel's limit; on Windows, which has none, the handles of the "
        "process that has the most against what one process may have.",
        "See who holds them (`lsof | awk '{print $1}' | sort | uniq -c | sort -n`), or raise fs.file-max.",
        f"Warning above 70 %, critical above 90 %: {_MIXIN} (NodeFileDescriptorLimit).",
    ),
    Check(
        "resources.connections",
        "D1.1",
        "Connections that the kernel's firewall tracks, against its limit (Linux, and pf of macOS).",
        "See who opens them (`conntrack -L | head`), or raise net.netfilter.nf_conntrack_max.",
        f"Warning above 75 %: {_MIXIN} (NodeHighNumberConntrackEntriesUsed). Critical above 95 %: at 100 % the kernel "
        "drops new connections.",
    ),
    Check(
        "resources.oom_kills",
        "D1.1",
        "Processes that the kernel killed for want of memory since the last run, or within the window; on Windows "
        "event 2004 and on macOS JetsamEvent reports, which note that memory was exhausted.",
        "See who was killed and how large it was (`journalctl -k | grep -i 'killed process'`); bound it or add memory.",
        f"Any kill is a warning: {_AWESOME} (HostOomKillDetected).",
    ),
    Check(
        "resources.clock",
        "D1.1",
        "Whether the clock is kept by a time service, and how far it is off. In a container where nothing keeps it, it "
        "is the one of the host and skipped.",
        "Start a time service (`timedatectl set-ntp true`, or chrony) and see what it says (`chronyc tracking`).",
        f"Not synchronised is a warning: {_MIXIN} (NodeClockNotSynchronising). Offset above 50 ms is a warning: "
        "NodeClockSkewDetected. Above 1 s is critical: exchanges refuse requests whose time is off.",
    ),
    Check(
        "resources.deleted_open_files",
        "D1.1",
        "Space held by files that were deleted while a process has them open: df counts it, du does not see it.",
        "Restart or signal the owner so that it opens its files anew (`lsof +L1` shows them).",
        "Lynis LOGG-2190 reports any; the bound of 1 GiB is ours, because small ones are everyday.",
    ),
)
