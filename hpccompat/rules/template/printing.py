"""Values to text as Go's package fmt has it: one verb with its flags (fmt, "Printing")."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace

from hpccompat.errors import EvaluationError
from hpccompat.rules.template.floats import format_float
from hpccompat.rules.template.limits import VALUE_DEPTH, Limits, failed
from hpccompat.rules.template.quoting import can_backquote, quoted
from hpccompat.rules.template.values import Map, SemVer, Slice, Uint8, Uint64, Value, runes, type_name


@dataclass(frozen=True)
class Flags:
    """`plus_v` and `sharp_v` are the flags + and # of the verb v, where they mean something else."""

    width: int | None = None
    precision: int | None = None
    minus: bool = False
    plus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    plus_v: bool = False
    sharp_v: bool = False


PLAIN = Flags()


def printed(limits: Limits, value: Value) -> bytes:
    """%v."""
    if type(value) is bytes:
        return value
    if type(value) is int:
        return b"%d" % value
    return Printer(limits).text(value)


def print_all(limits: Limits, values: tuple[Value, ...]) -> bytes:
    """fmt.Sprint: a blank between two values where neither is a string."""
    parts: list[bytes] = []
    for position, value in enumerate(values):
        if position and not isinstance(value, bytes) and not isinstance(values[position - 1], bytes):
            parts.append(b" ")
        parts.append(printed(limits, value))
        limits.make(len(parts[-1]))
    return b"".join(parts)


class Printer:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.out: list[bytes] = []

    def text(self, value: Value) -> bytes:
        self.argument(value, "v", PLAIN)
        return b"".join(self.out)

    def write(self, text: bytes) -> None:
        self.limits.make(len(text))
        self.out.append(text)

    def argument(self, value: Value, verb: str, flags: Flags) -> None:
        """One argument of a verb."""
        if verb == "w":
            # For errors, and those of fmt.Errorf only.
            self.bad_verb(value, verb, flags)
        elif value is None:
            if verb in "Tv":
                self.pad(b"<nil>", flags)
            else:
                self.bad_verb(value, verb, flags)
        elif verb == "T":
            self.string(type_name(value).encode(), "s", flags)
        elif verb == "p":
            if isinstance(value, (Slice, Map)) or (isinstance(value, SemVer) and value.pointer):
                raise failed("printf %p writes an address, another one each time")
            self.bad_verb(value, verb, flags)
        else:
            self.value(value, verb, flags, 0)

    def value(self, value: Value, verb: str, flags: Flags, depth: int) -> None:
        # Calls within calls cost several times more where they cross a piece of the interpreter's stack.
        self.limits.step(12)
        if depth > VALUE_DEPTH:
            raise EvaluationError("limit", f"a value in a value, more than {VALUE_DEPTH} deep")
        if isinstance(value, bytes):
            self.string(value, verb, flags)
        elif isinstance(value, bool):
            if verb in "tv":
                self.pad(b"true" if value else b"false", flags)
            else:
                self.bad_verb(value, verb, flags)
        elif isinstance(value, int):
            self.integer(value, verb, flags)
        elif isinstance(value, float):
            self.float(value, value, verb, flags)
        elif isinstance(value, complex):
            self.complex(value, verb, flags)
        elif isinstance(value, SemVer):
            self.version(value, verb, flags, depth)
        elif isinstance(value, Slice):
            self.slice(value, verb, flags, depth)
        elif isinstance(value, Map):
            self.map(value, verb, flags, depth)
        elif flags.sharp_v:
            self.write(b"interface {}(nil)")
        else:
            self.write(b"<nil>")

    def bad_verb(self, value: Value, verb: str, flags: Flags) -> None:
        self.write(b"%!" + verb.encode("utf-8", "surrogateescape") + b"(")
        if value is None:
            self.write(b"<nil>")
        else:
            self.write(type_name(value).encode() + b"=")
            self.value(value, "v", flags, 0)
        self.write(b")")

    def slice(self, value: Slice, verb: str, flags: Flags, depth: int) -> None:
        if flags.sharp_v:
            self.write(value.type.encode() + (b"(nil)" if value.nil else b"{"))
            if value.nil:
                return
        else:
            self.write(b"[")
        for position, each in enumerate(value.items):
            if position:
                self.write(b", " if flags.sharp_v else b" ")
            self.value(each, verb, flags, depth + 1)
        self.write(b"}" if flags.sharp_v else b"]")

    def map(self, value: Map, verb: str, flags: Flags, depth: int) -> None:
        if flags.sharp_v:
            self.write(value.type.encode() + (b"(nil)" if value.nil else b"{"))
            if value.nil:
                return
        else:
            self.write(b"map[")
        for position, (key, each) in enumerate(sorted(value.items.items(), key=lambda entry: entry[0])):
            if position:
                self.write(b", " if flags.sharp_v else b" ")
            self.value(key, verb, flags, depth + 1)
            self.write(b":")
            self.value(each, verb, flags, depth + 1)
        self.write(b"}" if flags.sharp_v else b"]")

    def version(self, value: SemVer, verb: str, flags: Flags, depth: int) -> None:
        """It has a String method, for those verbs that ask for one; else it is a struct."""
        if verb in "vsxXq" and not flags.sharp_v:
            self.string(value.text, verb, flags)
            return
        if value.pointer and depth:
            raise failed("printf writes the address of a version in a list, another one each time")
        numbers: list[Value] = [Uint64(value.major), Uint64(value.minor), Uint64(value.patch)]
        fields = [*numbers, value.pre, value.metadata, value.original]
        names = ("major", "minor", "patch", "pre", "metadata", "original")
        self.write(b"&" if value.pointer else b"")
        self.write(b"semver.Version{" if flags.sharp_v else b"{")
        for position, each in enumerate(fields):
            if position:
                self.write(b", " if flags.sharp_v else b" ")
            if flags.sharp_v or flags.plus_v:
                self.write(names[position].encode() + b":")
            self.value(each, verb, flags, 1)
        self.write(b"}")

    # Texts.

    def pad(self, text: bytes, flags: Flags) -> None:
        missing = 0 if not flags.width else flags.width - len(runes(text))
        if missing <= 0:
            self.write(text)
            return
        self.limits.make(missing)
        padding = (b"0" if flags.zero and not flags.minus else b" ") * missing
        self.write(text + padding if flags.minus else padding + text)

    def string(self, text: bytes, verb: str, flags: Flags) -> None:
        if verb in "xX":
            self.hexadecimal(text, verb, flags)
            return
        if verb not in "vsq":
            self.bad_verb(text, verb, flags)
            return
        if flags.precision is not None:
            text = _first_runes(text, flags.precision)
        if verb == "q" or flags.sharp_v:
            self.limits.characters(len(text))
            text = b"`" + text + b"`" if flags.sharp and can_backquote(text) else quoted(text, '"', flags.plus)
        self.pad(text, flags)

    def hexadecimal(self, text: bytes, verb: str, flags: Flags) -> None:
        text = text if flags.precision is None else text[: flags.precision]
        prefix = b"0x" if flags.sharp else b""
        if not text:
            self.pad(b"", flags)
            return
        if flags.space:
            found = b" ".join([prefix + b"%02x" % each for each in text])
        else:
            found = prefix + text.hex().encode()
        self.limits.make(len(found))
        self.pad(found.upper() if verb == "X" else found, flags)

    # Numbers.

    def integer(self, value: int, verb: str, flags: Flags) -> None:
        if flags is PLAIN and verb in "dv":
            self.write(b"%d" % value)
            return
        if verb == "v" and flags.sharp_v and isinstance(value, (Uint8, Uint64)):
            verb, flags = "x", replace(flags, sharp=True)
        if verb in "dv":
            self.digits(value, f"{abs(value):d}", "", flags)
        elif verb == "b":
            self.digits(value, f"{abs(value):b}", "0b" if flags.sharp else "", flags)
        elif verb in "oO":
            # With both, 0o0.
            prefix = ("0o" if verb == "O" else "") + ("0" if flags.sharp else "")
            self.digits(value, f"{abs(value):o}", prefix, flags)
        elif verb in "xX":
            self.digits(value, format(abs(value), verb), f"0{verb}" if flags.sharp else "", flags)
        elif verb in "cq":
            character = _character(value)
            self.pad(quoted(character.encode(), "'", flags.plus) if verb == "q" else character.encode(), flags)
        elif verb == "U":
            self.unicode(value, flags)
        else:
            self.bad_verb(value, verb, flags)

    def digits(self, value: int, digits: str, prefix: str, flags: Flags) -> None:
        sign = "-" if value < 0 else "+" if flags.plus else " " if flags.space else ""
        least = flags.precision
        if least == 0 and value == 0:
            self.pad(b"", replace(flags, zero=False))
            return
        if least is None and flags.zero and not flags.minus and flags.width is not None:
            least = flags.width - bool(sign)
        self.limits.make(least or 0)
        digits = digits.rjust(least or 0, "0")
        if prefix in ("0", "0o0") and digits.startswith("0"):
            prefix = prefix[:-1]
        self.pad((sign + prefix + digits).encode(), replace(flags, zero=False))

    def unicode(self, value: int, flags: Flags) -> None:
        code = value % 2**64
        precision = max(4, flags.precision or 0)
        self.limits.make(precision)
        text = "U+" + f"{code:X}".rjust(precision, "0")
        if flags.sharp and code <= 0x10FFFF and unicodedata.category(chr(code))[0] not in "CZ":
            text += f" '{chr(code)}'"
        self.pad(text.encode(), replace(flags, zero=False))

    def complex(self, value: complex, verb: str, flags: Flags) -> None:
        if verb not in "vbgGxXfFeE":
            self.bad_verb(value, verb, flags)
            return
        self.write(b"(")
        self.float(value, value.real, verb, flags)
        self.float(value, value.imag, verb, replace(flags, plus=True))
        self.write(b"i)")

    def float(self, whole: Value, value: float, verb: str, flags: Flags) -> None:
        if verb not in "vbgGxXfFeE":
            self.bad_verb(whole, verb, flags)
            return
        precision = flags.precision if flags.precision is not None else 6 if verb in "fFeE" else None
        self.limits.make(precision or 0)
        self.limits.step(10 + (precision or 0))
        text = format_float(value, "g" if verb == "v" else "f" if verb == "F" else verb, precision)
        text = text if text[0] in "+-" else "+" + text
        if flags.space and text[0] == "+" and not flags.plus:
            text = " " + text[1:]
        if text[1] in "IN":
            text = text[1:] if text[1] == "N" and not flags.space and not flags.plus else text
            self.pad(text.encode(), replace(flags, zero=False))
            return
        if flags.sharp and verb != "b":
            text = _with_point(text, verb, 6 if precision is None else precision)
        if flags.plus or text[0] != "+":
            if flags.zero and not flags.minus and flags.width is not None and flags.width > len(text):
                self.limits.make(flags.width)
                self.write((text[0] + text[1:].rjust(flags.width - 1, "0")).encode())
                return
            self.pad(text.encode(), flags)
            return
        self.pad(text[1:].encode(), flags)


def _with_point(text: str, verb: str, digits: int) -> str:
    """The flag #: always a decimal point, and with g no trailing zero is taken away."""
    body, tail = text[1:], ""
    for mark in ("p", "P") if verb in "xX" else ("e", "E"):
        if mark in body:
            body, tail = body[: body.index(mark)], body[body.index(mark) :]
    has_point = "." in body
    missing = 0
    if verb in "vgGx":
        significant = body.replace(".", "").lstrip("0")
        missing = digits - len(significant) - (body == "0" and not has_point)
    return text[0] + body + ("" if has_point else ".") + "0" * max(missing, 0) + tail


def _character(value: int) -> str:
    code = value % 2**64
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        return "\ufffd"
    return chr(code)


def _first_runes(text: bytes, count: int) -> bytes:
    decoded = text.decode("utf-8", "surrogateescape")
    return text if len(decoded) <= count else decoded[:count].encode("utf-8", "surrogateescape")
