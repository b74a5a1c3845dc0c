#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The half of the carrier that runs on Linux and macOS hosts: it keeps what is asked for of the core in a folder of this
# account's own, and runs it in this process. Ansible sends this file as it is, with the arguments in it (the kind
# JSONARGS), so it is short. It parses on Python 3.6, to be able to say that it needs 3.9. Documentation: runner.yml.

import os  # Python's own start has imported it: it is not looked for any more
import sys

# Nothing is imported from where this file lies, nor from where it was started: that may be another account's folder.
HERE = os.path.dirname(globals().get("__file__", ""))
for place in ("", ".", HERE, os.path.realpath(HERE)):  # Python itself follows a link to the folder
    while place in sys.path:
        sys.path.remove(place)

import binascii
import errno
import hashlib
import json
import marshal
import re
import stat
import time
import zlib
from contextlib import suppress
from importlib import import_module

ARGS = r"""<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>"""  # no JSON has three quotes in a row
SPEC = {
    "detached": {"type": "bool", "default": False},
    "dir": {"type": "path"},
    "keep": {"type": "bool", "default": True},
    "payload": {"type": "str", "no_log": True},
    "payload_sha256": {"type": "str", "required": True},
    "request": {"type": "str", "no_log": True},
    "rlimit_nofile": {"type": "int", "default": 0},
}
NAME = "cryptobot-maintenance"
MAX_PAYLOAD = 64 << 20
FRESH = 86400  # seconds for which a file passes for used without being told so
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Unkept(Exception):
    """Nothing can be kept on this host, or nothing that is kept be trusted: the core runs from memory."""


class Tampered(Exception):
    """What was sent is not what was announced, or what lies in a good folder is not ours: nothing is run."""


# --- the folder: this account's alone, and nobody else can exchange it or one above it ---


def default_folder() -> str:
    """Return where this account keeps the core: by the password database, never by the environment."""
    account = os.geteuid()
    if account == 0:
        return os.path.join("/var/db" if sys.platform == "darwin" else "/var/cache", NAME)
    try:
        home = import_module("pwd").getpwuid(account).pw_dir
    except KeyError:
        raise Unkept(f"the account with the uid {account} is in no password database") from None
    return os.path.join(home, ".cache", NAME)


def open_folder(path: str) -> "tuple[str, int]":
    """Given the folder's path, return it without links, and open; it is made where it is missing.

    Raise Unkept, or OSError. What was found good on the way down stays so: nobody else can change a name in it.
    """
    if not os.path.isabs(path):
        raise Unkept(f"{path} is no absolute path")
    check_links(os.path.dirname(path))
    above, name, way = os.path.realpath(os.path.dirname(path)), os.path.basename(path), ""
    for part in above.rstrip("/").split("/"):
        way = f"{way.rstrip('/')}/{part}"
        if way == above and os.geteuid():
            make(way)  # ~/.cache
        check(way, os.lstat(way), above=True)
    real = f"{way.rstrip('/')}/{name}"
    make(real)
    check(real, os.lstat(real))
    folder = os.open(real, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    check(real, os.fstat(folder))
    return real, folder


def check_links(path: str) -> None:
    """Raise Unkept where a link on the way is another account's: it leads where that account says."""
    way = ""
    for part in path.strip("/").split("/"):
        way = f"{way}/{part}"
        status = os.lstat(way) if os.path.lexists(way) else None
        if status and stat.S_ISLNK(status.st_mode) and status.st_uid not in (0, os.geteuid()):
            raise Unkept(f"{way} is a link of the account with the uid {status.st_uid}")


def make(path: str) -> None:
    """Make a folder for this account alone where there is nothing; what is there is looked at by whoever needs it."""
    if not os.path.lexists(path):
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)


def check(path: str, status: os.stat_result, above: bool = False) -> None:
    """Raise Unkept where the folder is not this account's alone, or another could exchange it by one above it."""
    if not stat.S_ISDIR(status.st_mode):
        raise Unkept(f"{path} is {'a link' if stat.S_ISLNK(status.st_mode) else 'no folder'}")
    if status.st_uid != os.geteuid() and not (above and status.st_uid == 0):
        raise Unkept(f"{path} belongs to the account with the uid {status.st_uid}")
    if status.st_mode & 0o022 and not (above and status.st_mode & stat.S_ISVTX):
        raise Unkept(f"others may write to {path} (mode {stat.S_IMODE(status.st_mode):04o})")


# --- its files: read once, through the descriptor that was looked at; written as a whole or not at all ---


class Folder:
    """The folder, open, and what is done in it."""

    def __init__(self, path: str) -> None:
        try:
            self.path, self.descriptor = open_folder(path)
        except OSError as error:
            raise Unkept(f"{error.filename or path}: {error.strerror}") from None

    def read(self, name: str) -> "bytes | None":
        """Return the bytes of a file, or None where there is none. Raise Tampered where it is not ours."""
        place = f"{self.path}/{name}"
        try:
            descriptor = os.open(name, READ, dir_fd=self.descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO):
                raise Tampered(f"{place} is a link, or no file; look who made it, and remove it") from None
            raise Unkept(f"{place}: {error.strerror}") from None
        status = os.fstat(descriptor)
        check_file(place, status)
        with os.fdopen(descriptor, "rb") as stream:
            if time.time() - status.st_mtime > FRESH:
                self.touch(name)
            try:
                return stream.read(MAX_PAYLOAD + 1)
            except OSError as error:
                raise Unkept(f"{place}: {error.strerror}") from None

    def touch(self, name: str) -> None:
        """Note that a file is used, so that it is not swept."""
        with suppress(OSError):  # a folder that can only be read, in which nothing is swept
            os.utime(name, dir_fd=self.descriptor)

    def publish(self, name: str, content: bytes) -> None:
        """Put a file into the folder. Raise Unkept where that is not possible."""
        partial = f"{name}.{os.urandom(8).hex()}.partial"
        try:
            descriptor = os.open(partial, WRITE, 0o600, dir_fd=self.descriptor)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(descriptor)
                os.rename(partial, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
            except BaseException:
                self.remove(partial)
                raise
        except OSError as error:
            raise Unkept(f"{self.path}/{name}: {error.strerror}") from None

    def remove(self, name: str) -> bool:
        """Remove a file, and return whether that was possible."""
        try:
            os.unlink(name, dir_fd=self.descriptor)
        except OSError:
            return False
        return True


def check_file(place: str, status: os.stat_result) -> None:
    """Raise Tampered where a file is not one that this account alone may write to."""
    wrong = ""
    if not stat.S_ISREG(status.st_mode):
        wrong = "is no file"
    elif status.st_uid != os.geteuid():
        wrong = f"belongs to the account with the uid {status.st_uid}"
    elif status.st_mode & 0o022:
        wrong = f"can be written by others (mode {stat.S_IMODE(status.st_mode):04o})"
    if wrong:
        raise Tampered(f"{place} {wrong}; look who made it, and remove it")


# --- the payload, which is run only if it is what the controller says, and its code ---


class Kept:
    """What this host has of a payload: its bytes, verified; its code; why nothing is kept, where that is so."""

    def __init__(self, options: dict) -> None:
        self.sha256, self.payload = options["payload_sha256"], options.get("payload")
        self.content, self.code, self.folder, self.why = None, {}, None, ""
        if not re.match(r"[0-9a-f]{64}\Z", self.sha256):
            raise Tampered(f"payload_sha256 is {self.sha256!r}, expected 64 hexadecimal digits in lower case")
        try:
            if options.get("keep", True):
                self.folder = Folder(options.get("dir") or default_folder())
                self.content = self.stored()
        except Unkept as reason:
            self.why = str(reason)
        if self.content is None and self.payload:
            self.content = self.arrived()
            self.keep(f"{self.sha256}.zip", self.content)

    def stored(self) -> "bytes | None":
        """Return the payload of the folder, or None where it has none. Remove a wrong one, and raise Tampered."""
        content = self.folder.read(f"{self.sha256}.zip")
        seen = self.sha256 if content is None else hashlib.sha256(content).hexdigest()
        if seen != self.sha256:
            ours = [name for name in os.listdir(self.folder.descriptor) if name.startswith(self.sha256)]
            left = [name for name in ours if not self.folder.remove(name)]
            then = "and cannot be removed: remove it" if left else "and was removed; the next run brings it again"
            raise Tampered(
                f"the payload {self.folder.path}/{self.sha256}.zip had the SHA-256 {seen}: it was changed on this host "
                f"{then}. Look who can write to that folder, and whether its disk is sound"
            )
        return content

    def arrived(self) -> bytes:
        """Return the payload that was sent. Raise Tampered where it is not what was announced."""
        try:
            content = zlib.decompressobj(31).decompress(binascii.a2b_base64(self.payload), MAX_PAYLOAD)  # 31: gzip
        except (ValueError, zlib.error):
            content = b""
        seen = hashlib.sha256(content).hexdigest()
        if seen != self.sha256:
            raise Tampered(f"the payload arrived with the SHA-256 {seen}, expected {self.sha256}")
        return content

    def keep(self, name: str, content: bytes) -> bool:
        """Put a file into the folder, if there is one that is good; note why where that is not possible."""
        try:
            if self.folder and not self.why:
                self.folder.publish(name, content)
                return True
        except Unkept as reason:
            self.why = str(reason)
        return False

    def main(self) -> dict:
        """Return the globals of the payload's own main; its code is the one that is kept, or is made now and kept."""
        main = {"__name__": "payload"}
        name = self.code_name()
        self.code = self.stored_code(name)
        if self.code:
            exec(marshal.loads(self.code["__main__.py"]), main)  # noqa: S102, S302 - the folder is this account's alone
            return main
        source = import_module("zipfile").ZipFile(import_module("io").BytesIO(self.content)).read("__main__.py")
        exec(compile(source, "payload/__main__.py", "exec", dont_inherit=True), main)  # noqa: S102 - verified
        if self.folder and not self.why:
            self.code = main["compile_all"](self.content)
            content = marshal.dumps(self.code)
            if self.keep(name, checksum(name, content) + content):
                main["sweep"](self.folder.descriptor, self.sha256)
        return main

    def code_name(self) -> str:
        """Return the name of the file with the code that this Python makes of the payload."""
        flags = f".{sys.flags.optimize}" if sys.flags.optimize else ""
        magic = import_module("importlib.util").MAGIC_NUMBER
        return f"{self.sha256}.{sys.implementation.cache_tag}-{magic.hex()}{flags}.code"

    def stored_code(self, name: str) -> dict:
        """Return the code of the folder, or an empty dict where there is none that is whole."""
        try:
            content = (self.folder.read(name) if self.folder and not self.why else None) or b""
        except Unkept as reason:
            self.why, content = str(reason), b""
        if len(content) < 5 or content[:4] != checksum(name, content[4:]):
            return {}
        try:
            return marshal.loads(content[4:])  # noqa: S302 - as a __pycache__ is, by the folder's protection
        except (EOFError, ValueError, TypeError):
            return {}


def checksum(name: str, content: bytes) -> bytes:
    """Return the CRC of a file of code; the same code under another name has another."""
    return zlib.crc32(content, zlib.crc32(name.encode())).to_bytes(4, "big")


# --- the whole of it ---


def absent(detached: bool) -> dict:
    """Return that this host has not got the core. Where nobody would bring it, that is a failure."""
    found = {"changed": False, "payload_present": False}
    why = "nothing was run: the core was removed from this host since it was asked for; run the task again"
    return {**found, "failed": True, "msg": why} if detached else found


def answer(options: dict) -> dict:
    """Given the module's options, return its answer: the core's, where there is a request and the core is here."""
    if not options.get("payload_sha256"):
        return {"failed": True, "changed": False, "msg": "payload_sha256 is missing; playbooks use the other modules"}
    try:
        kept = Kept(options)
        if kept.content is None:
            return absent(options.get("detached"))
        if not options.get("request"):
            return {"changed": False, "payload_present": True, "kept": bool(kept.folder) and not kept.why}
        main = kept.main()
    except Tampered as reason:
        return {"failed": True, "changed": False, "payload_present": False, "msg": f"nothing was run: {reason}"}
    request = json.loads(binascii.a2b_base64(options["request"]).decode("ascii"))
    main["settle"](options.get("rlimit_nofile"))
    if not options.get("_ansible_no_log"):
        import syslog  # Ansible writes the facility that is set for the one below

        main["log"](request, options.get("_ansible_target_log_info"), syslog.LOG_USER)
    told = main["answer"](kept.content, kept.code, request)
    if kept.why:
        told["warnings"] = [f"the core was run from memory, because it cannot be kept on this host: {kept.why}"]
    return told


def main() -> None:
    """Print the answer, and nothing else, to standard output."""
    if ARGS.startswith("<<"):  # nobody filled them in: what checks the documentation wants to see the options
        import_module("ansible.module_utils.basic").AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    stdout, sys.stdout = sys.stdout, sys.stderr
    if sys.version_info[:2] >= (3, 9):  # noqa: UP036 - it may be older
        told = answer(json.loads(ARGS))
    else:
        seen = f"{sys.executable} is Python {'.'.join(map(str, sys.version_info[:3]))}"
        told = {"failed": True, "msg": f"{seen}, expected 3.9 or newer: set ansible_python_interpreter to one"}
    stdout.write(json.dumps(told) + "\n")
    stdout.flush()
    raise SystemExit(1 if told.get("failed") else 0)


if __name__ == "__main__":
    main()
