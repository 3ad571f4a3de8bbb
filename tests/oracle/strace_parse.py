"""strace's log as a list of calls. Syntax only: what the calls mean is expected.py's matter.

The log must come from

    strace -f -yy -xx -s 0 -e trace=… -o LOG

With -xx every string and every path stands in hexadecimal, so quotes, commas, newlines and angle
brackets in names cannot be mistaken for strace's own, and `(deleted)` behind a descriptor is
strace's word and not part of a name. With -s 0 data is left out; names are always written in full.
With -yy descriptors, AT_FDCWD included, carry the path that the kernel has for them.

    30726 openat(AT_FDCWD<\\x2f…>, "\\x61", O_RDONLY) = 3<\\x2f…\\x61>
"""

import dataclasses
import re


class LogError(Exception):
    """A line that this parser does not understand: better to stop than to compare half a log."""


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """An argument or a result that names an open file."""

    number: int | None  # None: AT_FDCWD
    path: bytes  # b"" if it is no file in a tree (a pipe, a socket, an anonymous inode)
    deleted: bool = False
    device: bool = False


@dataclasses.dataclass
class Call:
    tid: int
    name: str
    arguments: list[str]
    result: str  # what stands behind "= "
    start: int  # line numbers, for messages and for the order
    end: int

    @property
    def error(self):
        """The errno's name; '' on success; None if the call did not return."""
        if self.result.startswith("?"):
            return None
        match = re.match(r"-1 (E[A-Z0-9]+)\b", self.result)
        return match[1] if match else ""

    @property
    def ok(self):
        return self.error == ""

    def string(self, index):
        """The bytes of a string argument; None if it is no string (NULL, an address)."""
        return unquote(self.arguments[index])

    def descriptor(self, index):
        return parse_descriptor(self.arguments[index])

    def result_descriptor(self):
        return parse_descriptor(self.result)

    def flags(self, index):
        return set(self.arguments[index].split("|")) if index < len(self.arguments) else set()


_HEX = re.compile(r"\\x([0-9a-f]{2})")
_DESCRIPTOR = re.compile(r"(-?\d+|AT_FDCWD)(?:<(.*)>(\(deleted\))?)?$")
_HEX_PATH = re.compile(r"((?:\\x[0-9a-f]{2})*)(<(?:char|block) [^>]*>)?$")


def unhex(text):
    if _HEX.sub("", text):
        raise LogError(f"not in hexadecimal (strace -xx?): {text!r}")
    return bytes.fromhex(text.replace("\\x", ""))


def unquote(argument):
    match = re.match(r'"([^"]*)"(\.\.\.)?$', argument)
    if not match:
        return None
    if match[2]:
        raise LogError(f"a name that strace has cut: {argument!r}")
    return unhex(match[1])


def parse_descriptor(text):
    """None for what is none: -1, an address, a pid."""
    match = _DESCRIPTOR.match(text)
    if not match:
        return None
    number = None if match[1] == "AT_FDCWD" else int(match[1])
    if number is not None and number < 0:
        return None
    path, device = b"", False
    inner = _HEX_PATH.match(match[2] or "")
    if inner and inner[1]:
        path = unhex(inner[1])
        device = inner[2] is not None
    if not path.startswith(b"/"):
        path = b""
    return Descriptor(number, path, match[3] is not None, device)


def split_arguments(text):
    """At the commas outside of brackets and strings."""
    parts, depth, quoted, begin = [], 0, False, 0
    for position, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[begin:position].strip())
            begin = position + 1
    last = text[begin:].strip()
    return parts + [last] if parts or last else []


_LINE = re.compile(r"(\d+)\s+(?:\d+\.\d+\s+)?(.*)$")
_CALL = re.compile(r"(\w+)\((.*)\)\s+= (.*)$")
_UNFINISHED = re.compile(r"(.*?)\s*<unfinished \.\.\.>$")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)$")
_SUPERSEDED = re.compile(r"\+\+\+ superseded by execve in pid (\d+) \+\+\+$")


def parse_log(lines):
    """All calls, in the order in which they began. Calls that never returned have the result '?'."""
    calls, pending, gone = [], {}, set()
    for number, line in enumerate(lines, 1):
        match = _LINE.match(line.rstrip("\n"))
        if not match:
            raise LogError(f"line {number}: {line!r}")
        tid, text = int(match[1]), match[2]
        if text.startswith("---"):
            continue
        if text.startswith("+++"):
            superseded = _SUPERSEDED.match(text)
            if superseded:
                # A thread that is not the leader executes: it goes on under the leader's number.
                other = int(superseded[1])
                if other in pending:
                    pending[tid] = pending.pop(other)
            else:
                gone.add(tid)
            continue
        if tid in gone:
            raise LogError(f"line {number}: process number {tid} was used twice; shorten the program")
        unfinished = _UNFINISHED.match(text)
        if unfinished:
            pending[tid] = (number, unfinished[1])
            continue
        start = number
        resumed = _RESUMED.match(text)
        if resumed:
            if tid not in pending:
                raise LogError(f"line {number}: the end of a call without its beginning")
            start, begun = pending.pop(tid)
            text = begun + resumed[1]
        calls.append(parse_call(tid, text, start, number))
    for tid, (start, begun) in pending.items():
        calls.append(parse_call(tid, begun + ") = ?", start, start))
    calls.sort(key=lambda call: call.start)
    return calls


def parse_call(tid, text, start, end):
    match = _CALL.match(text)
    if not match:
        raise LogError(f"line {end}: not a call: {text!r}")
    return Call(tid, match[1], split_arguments(match[2]), match[3], start, end)
