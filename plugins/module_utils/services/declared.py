# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory declares of the services, and the thresholds to judge by, as frozen records, checked once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ..errors import InputError
from ..finding import EMPTY
from ..units import parse_bytes, parse_seconds
from .managers import MANAGERS, Manager, manager_of
from .order import start_order
from .possible import WILDCARDS, check_address, check_command, check_health, check_no_secret, check_texts, same_address

_PROBE_OPTIONS = ("timeout", "samples", "latency_warn", "body_regex", "json", "tls_min_days", "tls_verify", "ca_path")
_FOUND_BY = ("pid_file", "command", "process", "port", "ports", "health")
_SUFFIX = {"linux": ".service"}  # what a name without a type stands for; labels and Windows services have no types


class Port(NamedTuple):
    """A port that a service is meant to listen on; ``bind`` is the address (empty: any will do)."""

    port: int
    proto: str = "tcp"
    bind: str = ""


class Probe(NamedTuple):
    """How to ask a service whether it is well: a GET of ``url``, ``samples`` times, each at most ``timeout`` seconds.

    Well is a status code of ``status`` with a body that ``body_regex`` finds something in and whose JSON has the values
    of ``json`` (by dotted path). ``latency_warn`` is the 95th percentile in seconds. A certificate must last another
    ``tls_min_days`` and be signed by an authority of ``ca_path`` or of the system, unless ``tls_verify`` is false.
    """

    url: str
    host: str
    port: int
    status: tuple[int, ...] = (200,)
    timeout: float = 5.0
    samples: int = 3
    latency_warn: float = 1.0
    body_regex: str = ""
    json: Mapping[str, Any] = EMPTY
    tls_min_days: int = 21
    tls_verify: bool = True
    ca_path: Optional[str] = None

    @property
    def tls(self) -> bool:
        """Whether the probe is made over TLS."""
        return self.url.startswith("https:")


class Declaration(NamedTuple):
    """A place that names a port of the service as well: the first group of ``pattern`` in the file ``path``."""

    path: str
    pattern: str


class Service(NamedTuple):
    """One service of the inventory. A managed one has a ``unit``, a script-started one a ``pid_file``.

    ``unit`` is its name to ``managed_by``: a unit of ``systemd``, a label of ``launchd`` (perhaps with its domain:
    ``gui/501/com.cryptobot.auth``), or a service of ``windows``.
    """

    name: str
    unit: str = ""
    pid_file: str = ""
    command: tuple[str, ...] = ()
    stop_command: tuple[str, ...] = ()
    process: str = ""
    chdir: str = ""
    output: str = ""
    user: str = ""
    environment: Mapping[str, str] = EMPTY
    state: str = "started"
    enabled: bool = True
    ports: tuple[Port, ...] = ()
    probe: Optional[Probe] = None
    depends_on: tuple[str, ...] = ()
    declared_in: tuple[Declaration, ...] = ()
    config_files: tuple[str, ...] = ()
    start_grace: float = 30.0
    memory_max: int = 0
    managed_by: str = "systemd"

    def __repr__(self) -> str:
        return f"Service({self.name})"

    @property
    def manager(self) -> str:
        """Who looks after the service: ``systemd``, ``launchd``, ``windows``, ``pid_file``, or empty where nothing that
        this platform has is declared.
        """
        return self.managed_by if self.unit else "pid_file" if self.pid_file else ""


def declare(services: Sequence[Mapping[str, Any]], platform: str = "linux") -> tuple[Service, ...]:
    """Given the inventory's services and the platform of the host, return them in start order.

    Raise InputError naming service, value and rule.
    """
    manager = MANAGERS.get(platform, MANAGERS["linux"])
    for place, raw in enumerate(services):
        _require(bool(raw["name"].strip()), f"services[{place}].name", raw["name"], "a name")
    declared = [_service(raw, manager) for raw in services]
    names = [service.name for service in declared]
    for service in declared:
        _require(names.count(service.name) == 1, f"services[{service.name}].name", service.name, "each name once")
        unknown = [name for name in service.depends_on if name not in names]
        if unknown:
            expected = f"names of services: {', '.join(names)}"
            raise InputError(f"services[{service.name}].depends_on", unknown, expected, names)
    check_apart(declared)
    order = start_order({service.name: service.depends_on for service in declared})
    return tuple(sorted(declared, key=lambda service: order.index(service.name)))


def _require(condition: bool, name: str, value: object, expected: str) -> None:
    if not condition:
        raise InputError(name, value, expected)


def _service(raw: Mapping[str, Any], manager: Manager) -> Service:
    where = f"services[{raw['name']}]"
    check_texts(where, raw)
    texts = {key: raw.get(key) or "" for key in ("pid_file", "process", "chdir", "output", "user")}
    ports = _ports(raw, where)
    _regex(f"{where}.process", texts["process"], groups=0)
    return Service(
        name=raw["name"],
        unit=manager.check(f"{where}.{manager.option}", raw.get(manager.option) or ""),
        managed_by=manager.name,
        **texts,
        command=check_command(f"{where}.command", raw.get("command") or ()),
        stop_command=check_command(f"{where}.stop_command", raw.get("stop_command") or ()),
        environment={key: str(value) for key, value in (raw.get("environment") or {}).items()},
        state=raw.get("state") or "started",
        enabled=raw.get("enabled") is not False,
        ports=ports,
        probe=_probe(raw.get("health"), ports, where),
        depends_on=tuple(raw.get("depends_on") or ()),
        declared_in=tuple(
            _declaration(each, f"{where}.declared_in[{place}]")
            for place, each in enumerate(raw.get("declared_in") or ())
        ),
        config_files=tuple(raw.get("config_files") or ()),
        start_grace=parse_seconds(f"{where}.start_grace", raw.get("start_grace") or "30s"),
        memory_max=parse_bytes(f"{where}.memory_max", raw.get("memory_max") or 0),
    )


def _ports(raw: Mapping[str, Any], where: str) -> tuple[Port, ...]:
    first = [(f"{where}.port", raw)] if raw.get("port") is not None else []
    more = [(f"{where}.ports[{place}].port", entry) for place, entry in enumerate(raw.get("ports") or ())]
    ports = []
    for name, entry in [*first, *more]:
        _require(0 < entry["port"] < 65536, name, entry["port"], "a port between 1 and 65535")
        proto = "tcp" if entry is raw else entry.get("proto") or "tcp"
        bind = check_address(f"{name.rpartition('.')[0]}.bind", entry.get("bind") or "")
        ports.append(Port(entry["port"], proto, bind))
    return tuple(ports)


def _probe(raw: Optional[Mapping[str, Any]], ports: Sequence[Port], where: str) -> Optional[Probe]:
    if raw is None:
        return None
    port = raw.get("port")
    if port is None:
        port = next((entry.port for entry in ports if entry.proto == "tcp"), None)
    if port is None:
        raise InputError(f"{where}.health.port", port, "a port here, or one of the service")
    _require(0 < port < 65536, f"{where}.health.port", port, "a port between 1 and 65535")
    path = raw.get("path") or "/health"
    _require(path.startswith("/"), f"{where}.health.path", path, "a path that begins with /")
    _regex(f"{where}.health.body_regex", raw.get("body_regex") or "", groups=0)
    host = raw.get("host") or _local_address(ports)
    check_health(f"{where}.health", raw)
    url = f"{raw.get('scheme') or 'http'}://{f'[{host}]' if ':' in host else host}:{port}{path}"
    given = {key: raw[key] for key in _PROBE_OPTIONS if raw.get(key) is not None}
    return Probe(url, host, port, tuple(raw.get("status") or (200,)), **given)


def _local_address(ports: Sequence[Port]) -> str:
    """Return where a service is asked from its own host: the address it binds to, else loopback."""
    bind = ports[0].bind if ports else ""
    if bind == "::":
        return "::1"
    return "127.0.0.1" if bind in WILDCARDS else bind


def _declaration(raw: Mapping[str, Any], where: str) -> Declaration:
    _regex(f"{where}.pattern", raw["pattern"], groups=1)
    return Declaration(raw["path"], raw["pattern"])


def _regex(name: str, pattern: str, *, groups: int) -> None:
    try:
        found = re.compile(pattern).groups
    except re.error as error:
        raise InputError(name, pattern, f"a regular expression ({error})") from error
    _require(found >= groups, name, pattern, "a regular expression with a group around the port")


def declare_whole(services: Sequence[Mapping[str, Any]], platform: str) -> tuple[Service, ...]:
    """As `declare`, and raise InputError for a service that nothing on its host can be, or be known to be, and for a
    secret in a command.
    """
    declared = declare(services, platform)
    option = MANAGERS.get(platform, MANAGERS["linux"]).option
    for raw in services:
        if not any(raw.get(each) for each in (option, *_FOUND_BY)):
            raise InputError(f"services[{raw['name']}].{option}", None, f"it, or one of {', '.join(_FOUND_BY)}")
    for service in declared:
        if service.manager == "pid_file" and not (service.command or service.process):
            expected = "it or command: what a pid file names may be any process"
            raise InputError(f"services[{service.name}].process", None, expected)
        for option, words in (("command", service.command), ("stop_command", service.stop_command)):
            check_no_secret(f"services[{service.name}].{option}", words)
    return declared


class Pattern(NamedTuple):
    """A pattern of unit names that at least ``min_match`` units must fit; ``expected`` must be among them, and no other
    than those and the declared services may be.
    """

    pattern: str
    min_match: int = 1
    expected: tuple[str, ...] = ()


class Policy(NamedTuple):
    """Thresholds: times in seconds, sizes in bytes, shares in percent."""

    patterns: tuple[Pattern, ...] = ()
    restarts_window: float = 3600.0
    restarts_warn: int = 1
    restarts_crit: int = 3
    open_files_warn: int = 70
    open_files_crit: int = 90
    leak_min_samples: int = 6
    leak_min_span: float = 21600.0
    leak_warn: int = 50 << 20


def read_policy(params: Mapping[str, Any], platform: str = "linux") -> Policy:
    """Given the options and the platform, return the policy. Raise InputError naming the option that is wrong."""
    warn, crit = params["restarts_warn"], params["restarts_crit"]
    if not 0 < warn <= crit:
        raise InputError("restarts_warn", warn, f"between 1 and restarts_crit ({crit})")
    return Policy(
        patterns=tuple(_pattern(raw, _SUFFIX.get(platform, "")) for raw in params["patterns"]),
        restarts_window=parse_seconds("restarts_window", params["restarts_window"]),
        restarts_warn=warn,
        restarts_crit=crit,
        open_files_warn=params["open_files_warn"],
        open_files_crit=params["open_files_crit"],
        leak_min_samples=params["leak_min_samples"],
        leak_min_span=parse_seconds("leak_min_span", params["leak_min_span"]),
        leak_warn=parse_bytes("leak_warn", params["leak_warn"]),
    )


def _pattern(raw: Mapping[str, Any], suffix: str) -> Pattern:
    expected = tuple(name if "." in name else f"{name}{suffix}" for name in raw.get("expected") or ())
    return Pattern(raw["pattern"], 1 if raw.get("min_match") is None else raw["min_match"], expected)


def check_apart(services: Sequence[Service]) -> None:
    """Given the services, raise InputError where two claim the same port of an address, name of a manager or file."""
    for option in ("unit", "pid_file", "port"):
        taken: dict[object, str] = {}
        for service in services:
            for key, name, value in _claims(service, option):
                if key in taken:
                    expected = f"one that {taken[key]} does not have"
                    raise InputError(f"services[{service.name}].{name}", value, expected)
                taken[key] = service.name


def _claims(service: Service, option: str) -> Iterator[tuple[object, str, object]]:
    """Yield what a service claims: by what it is told from others, the option that says so, and its value."""
    if option == "unit" and service.unit:
        name = service.unit.casefold() if service.managed_by == "windows" else service.unit
        yield name, manager_of(service.managed_by).option, service.unit
    if option == "pid_file" and service.pid_file:
        yield service.pid_file, option, service.pid_file
    if option == "port" and service.state != "stopped":  # of two that take turns one is stopped
        for port in {(each.port, each.proto, same_address(each.bind)): each for each in service.ports}.items():
            yield port[0], option, port[1].port
