# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Windows Server 2022 that runs Cryptobot, as the commands of modules/Recorded tell of it.

Constructed: the objects have the properties, types and words of the real commands' (Microsoft's documentation of each
CIM class and cmdlet), the values are this test's: times are around now, processes and sockets fit to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

Objects = list[dict[str, Any]]
SERVICES = ("auth", "data", "strategy", "backtest", "trade")
WITH_WORKERS = (2, 4)  # strategy and trade, as in the demo
PYTHON = r"C:\Program Files\Python312\python.exe"
ACCOUNT = r"NT SERVICE\Cryptobot"
TICKS = 10_000_000  # of 100 ns in a second
# What `w32tm /query /status /verbose` prints on an English Windows.
CLOCK = """\
Leap Indicator: 0(no warning)
Stratum: 3 (secondary reference - syncd by (S)NTP)
Precision: -23 (119.209ns per tick)
Root Delay: 0.0312500s
Root Dispersion: 0.0117188s
ReferenceId: 0xC0000201 (source IP:  192.0.2.1)
Last Successful Sync Time: 11/22/2026 1:00:00 AM
Source: time.example.org
Poll Interval: 10 (1024s)

Phase Offset: 0.0004121s
ClockRate: 0.0156250s
State Machine: 2 (Sync)
Time Source Flags: 0 (None)
Server Role: 0 (None)
Last Sync Error: 0 (The command completed successfully.)
Time since Last Good Sync Time: 512.1200000s
"""


def machine(ports: Sequence[int]) -> dict[str, Objects]:
    """Given the ports of the services, return what each command answers."""
    now = datetime.now(timezone.utc)
    return {**_services(now, ports), **_resources(now), **_network(ports), **_firewall()}


def _date(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _services(now: datetime, ports: Sequence[int]) -> dict[str, Objects]:
    """Return the services, their processes and what the event log says of them."""
    began = now - timedelta(days=3)
    log_begins = {"Id": 6005, "ProviderName": "EventLog", "TimeCreated": _date(now - timedelta(days=60))}
    own = [
        _service(f"Cryptobot{name.capitalize()}", 3000 + n, ACCOUNT, PYTHON, f"--port {ports[n]}")
        for n, name in enumerate(SERVICES)
    ]
    host = r"C:\Windows\System32\svchost.exe"
    others = [
        _service(*each, host)
        for each in (
            ("W32Time", 1100, r"NT AUTHORITY\LocalService"),
            ("mpssvc", 1200, r"NT AUTHORITY\LocalService"),
            ("WinRM", 1300, r"NT AUTHORITY\NetworkService"),
        )
    ]
    processes = [_process(each, began) for each in (*own, *others)] + [
        _process({"ProcessId": 4, "PathName": None, "Name": "System"}, began),
        *(_worker(own[n], 3100 + 10 * n + each, began) for n in WITH_WORKERS for each in range(2)),
    ]
    return {
        "Get-CimInstance.Win32_Service": [*own, *others],
        "Get-CimInstance.Win32_DependentService": [],
        "Get-CimInstance.Win32_Process": processes,
        "Get-Service": [{"Name": each["Name"], "Status": "Running", "StartType": "Automatic"} for each in own],
        "Get-Process": [
            {"Id": each["ProcessId"], "ProcessName": each["Name"], "HandleCount": each["HandleCount"],
             "UserName": ACCOUNT if each["ProcessId"] >= 3000 else r"NT AUTHORITY\SYSTEM"}
            for each in processes
        ],
        "Get-WinEvent.System": [
            {"Id": 37, "ProviderName": "Microsoft-Windows-Time-Service", "TimeCreated": _date(now), "Xml": "<Event/>"},
            log_begins,
        ],
        "Get-WinEvent.Application": [log_begins],
        "Get-ItemProperty.PrefetchParameters": [{"BootId": 42}],
        "Get-ItemProperty.Parameters": [{"Type": "NTP", "NtpServer": "time.example.org,0x8"}],
    }  # fmt: skip


def _service(name: str, pid: int, account: str, program: str, words: str = "") -> dict[str, Any]:
    """Return one object of Win32_Service that runs."""
    return {
        "Name": name, "DisplayName": name, "ProcessId": pid, "State": "Running", "Status": "OK", "Started": True,
        "StartMode": "Auto", "DelayedAutoStart": False, "StartName": account,
        "PathName": f'"{program}" -m {name} {words}',
        "ServiceType": "Own Process", "ExitCode": 0, "ServiceSpecificExitCode": 0, "AcceptStop": True,
        "ErrorControl": "Normal", "CheckPoint": 0, "WaitHint": 0,
    }  # fmt: skip


def _process(service: dict[str, Any], began: datetime) -> dict[str, Any]:
    """Return the object of Win32_Process of a service."""
    program = (service["PathName"] or "").split('"')[1] if service["PathName"] else None
    return {
        "ProcessId": service["ProcessId"], "ParentProcessId": 600, "ExecutablePath": program,
        "Name": program.rsplit("\\", 1)[1] if program else service["Name"], "CommandLine": service["PathName"],
        "CreationDate": _date(began), "WorkingSetSize": 120 << 20, "HandleCount": 310, "ThreadCount": 12,
        "KernelModeTime": 90 * TICKS, "UserModeTime": 400 * TICKS, "SessionId": 0,
    }  # fmt: skip


def _worker(service: dict[str, Any], pid: int, began: datetime) -> dict[str, Any]:
    """Return the object of Win32_Process of a worker that a service's process has spawned."""
    words = f'"{PYTHON}" -c "from multiprocessing.spawn import spawn_main; spawn_main(pipe_handle=412)"'
    process = _process({**service, "ProcessId": pid, "PathName": words}, began)
    return {**process, "ParentProcessId": service["ProcessId"]}


def _resources(now: datetime) -> dict[str, Objects]:
    """Return disks, memory, processors and page files."""
    counted = {"PercentProcessorTime": "@idle", "Timestamp_Sys100NS": "@ticks"}  # modules/Recorded puts in the numbers
    processors = [{"Name": name, **counted} for name in ("0", "1", "_Total")]
    return {
        "Get-CimInstance.Win32_Volume": [
            {"Name": "C:\\", "DeviceID": "\\\\?\\Volume{4c1b02c1-0000-0000-0000-602200000000}\\", "DriveLetter": "C:",
             "DriveType": 3, "FileSystem": "NTFS", "Capacity": 250 << 30, "FreeSpace": 140 << 30, "SystemVolume": False}
        ],
        "Get-CimInstance.Win32_LogicalDisk": [
            {"DeviceID": "C:", "DriveType": 3, "FileSystem": "NTFS", "Size": 250 << 30, "FreeSpace": 140 << 30}
        ],
        "Get-CimInstance.Win32_OperatingSystem": [
            {"Caption": "Microsoft Windows Server 2022 Standard", "Version": "10.0.20348", "OSLanguage": 1033,
             "TotalVisibleMemorySize": 16 << 20, "FreePhysicalMemory": 9 << 20, "TotalVirtualMemorySize": 20 << 20,
             "FreeVirtualMemory": 12 << 20, "LastBootUpTime": _date(now - timedelta(days=9)), "ProductType": 3}
        ],
        "Get-CimInstance.Win32_PageFileUsage": [
            {"Name": r"C:\pagefile.sys", "AllocatedBaseSize": 4096, "CurrentUsage": 120}
        ],
        "Get-CimInstance.Win32_ComputerSystem": [{"NumberOfLogicalProcessors": 2, "PartOfDomain": False}],
        "Get-CimInstance.Win32_PerfRawData_PerfOS_System": [{"ProcessorQueueLength": 0}],
        "Get-CimInstance.Win32_PerfRawData_PerfOS_Processor": processors,
    }  # fmt: skip


def _network(ports: Sequence[int]) -> dict[str, Objects]:
    """Return addresses, interfaces and sockets: WinRM on all addresses, Cryptobot on the loopback ones."""
    own = [("127.0.0.1", port, 3000 + n) for n, port in enumerate(ports)]
    addresses = [("Loopback Pseudo-Interface 1", "127.0.0.1", 8), ("Loopback Pseudo-Interface 1", "::1", 128),
                 ("Ethernet", "10.0.5.21", 24)]  # fmt: skip
    return {
        "Get-NetTCPConnection": [
            {"LocalAddress": address, "LocalPort": port, "OwningProcess": pid, "State": "Listen"}
            for address, port, pid in (("::", 5986, 4), *own)
        ],
        "Get-NetUDPEndpoint": [{"LocalAddress": "127.0.0.1", "LocalPort": 123, "OwningProcess": 1100}],
        "Get-NetIPAddress": [
            {"InterfaceAlias": name, "IPAddress": address, "PrefixLength": bits, "AddressState": "Preferred"}
            for name, address, bits in addresses
        ],
        "Get-NetAdapter": [{"Name": "Ethernet", "InterfaceDescription": "Microsoft Hyper-V Network Adapter"}],
        "Get-NetRoute": [
            {"DestinationPrefix": "0.0.0.0/0", "InterfaceAlias": "Ethernet", "NextHop": "10.0.5.1"},
            {"DestinationPrefix": "10.0.5.0/24", "InterfaceAlias": "Ethernet", "NextHop": "0.0.0.0"},
        ],
        "Get-NetConnectionProfile": [{"InterfaceAlias": "Ethernet", "NetworkCategory": "Private"}],
        "Get-DnsClientServerAddress": [{"InterfaceAlias": "Ethernet", "ServerAddresses": ["10.0.5.1"]}],
        "Get-NetUDPSetting": [{"DynamicPortRangeStartPort": 49152, "DynamicPortRangeNumberOfPorts": 16384}],
    }


def _firewall() -> dict[str, Objects]:
    """Return Windows Firewall with one rule, for WinRM over HTTPS."""
    rule = {"InstanceID": "WINRM-HTTPS-In-TCP"}
    every = {"Enabled": "True", "DefaultInboundAction": "NotConfigured", "AllowInboundRules": "NotConfigured",
             "AllowLocalFirewallRules": "NotConfigured", "DisabledInterfaceAliases": []}  # fmt: skip
    return {
        "Get-NetFirewallProfile": [{"Name": name, **every} for name in ("Domain", "Private", "Public")],
        "Get-NetFirewallRule": [
            {**rule, "Name": rule["InstanceID"], "DisplayName": "WinRM over HTTPS", "Group": None, "Owner": None,
             "Direction": "Inbound", "Enabled": "True", "Profile": "Any", "Action": "Allow",
             "EdgeTraversalPolicy": "Block", "PolicyStoreSourceType": "Local", "RemoteDynamicKeywordAddresses": None}
        ],
        "Get-NetFirewallPortFilter": [
            {**rule, "Protocol": "TCP", "LocalPort": ["5986"], "RemotePort": ["Any"], "DynamicTarget": "Any"}
        ],
        "Get-NetFirewallAddressFilter": [{**rule, "LocalAddress": ["Any"], "RemoteAddress": ["10.0.0.0/255.0.0.0"]}],
        "Get-NetFirewallApplicationFilter": [{**rule, "Program": "Any", "Package": None}],
        "Get-NetFirewallServiceFilter": [{**rule, "Service": "Any"}],
        "Get-NetFirewallInterfaceFilter": [{**rule, "InterfaceAlias": ["Any"]}],
        "Get-NetFirewallInterfaceTypeFilter": [{**rule, "InterfaceType": "Any"}],
        "Get-NetFirewallSecurityFilter": [
            {**rule, "LocalUser": "Any", "RemoteUser": "Any", "RemoteMachine": "Any", "Authentication": "NotRequired",
             "OverrideBlockRules": False}
        ],
        "Get-CimInstance.__Namespace": [],
    }  # fmt: skip
