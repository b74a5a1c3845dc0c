# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nftables' JSON as short text for people, close to what ``nft list ruleset`` prints."""

from __future__ import annotations

from typing import Any

_SHOWN = 6  # elements of a set that are spelled out
_SILENT = ("counter", "last", "comment")


def render(expression: Any) -> str:
    """Given any expression or statement of the JSON, return it as text; forms not listed stay close to the JSON."""
    if isinstance(expression, dict) and len(expression) == 1:
        name, body = next(iter(expression.items()))
        return _FORMS[name](body) if name in _FORMS else _other(name, body)
    if isinstance(expression, list):
        return ",".join(render(part) for part in expression)
    return str(expression)


def render_rule(statements: list[Any]) -> str:
    """Given the statements of a rule, return its text without counters."""
    return " ".join(render(part) for part in statements if not any(name in part for name in _SILENT))


def _match(body: dict[str, Any]) -> str:
    sign = "" if body["op"] in ("==", "in") else f"{body['op']} "
    return f"{render(body['left'])} {sign}{render(body['right'])}"


def _set(elements: list[Any]) -> str:
    shown = [": ".join(map(render, part)) if isinstance(part, list) else render(part) for part in elements[:_SHOWN]]
    return "{ " + ", ".join(shown) + (f", ... {len(elements) - _SHOWN} more" if elements[_SHOWN:] else "") + " }"


def _fib(body: dict[str, Any]) -> str:
    return f"fib {' . '.join(body.get('flags', []))} {body.get('result')}"


def _limit(body: dict[str, Any]) -> str:
    return f"limit rate {'over ' if body.get('inv') else ''}{body.get('rate')}/{body.get('per')}"


def _dnat(body: Any) -> str:
    body = body or {}
    port = f":{render(body['port'])}" if "port" in body else ""
    return f"dnat to {render(body.get('addr', ''))}{port}"


def _other(name: str, body: Any) -> str:
    if body is None:
        return name
    words = [f"{key} {render(value)}" for key, value in body.items()] if isinstance(body, dict) else [render(body)]
    return f"{name} {' '.join(words)}".strip()


_FORMS = {
    "match": _match,
    "payload": lambda body: f"{body.get('protocol', body.get('base', ''))} {body.get('field', body.get('offset', ''))}",
    "meta": lambda body: body["key"] if body["key"].startswith(("iif", "oif")) else f"meta {body['key']}",
    "ct": lambda body: f"ct {body.get('dir', '')} {body['key']}".replace("  ", " "),
    "fib": _fib,
    "prefix": lambda body: f"{body['addr']}/{body['len']}",
    "range": lambda body: f"{body[0]}-{body[1]}",
    "concat": lambda body: " . ".join(map(render, body)),
    "set": lambda body: _set(body) if isinstance(body, list) else _other("set", body),
    "elem": lambda body: render(body.get("val")),
    "&": lambda body: f"{render(body[0])} & {render(body[1])}",
    "|": lambda body: f"{render(body[0])} | {render(body[1])}",
    "vmap": lambda body: f"{render(body['key'])} vmap {render(body['data'])}",
    "mangle": lambda body: f"{render(body['key'])} set {render(body['value'])}",
    "jump": lambda body: f"jump {body['target']}",
    "goto": lambda body: f"goto {body['target']}",
    "limit": _limit,
    "reject": lambda _body: "reject",
    "log": lambda _body: "log",
    "redirect": lambda body: f"redirect to :{render(body['port'])}" if body and "port" in body else "redirect",
    "dnat": _dnat,
}
