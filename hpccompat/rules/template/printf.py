"""Sprintf (Go's fmt, "Printing", "Explicit argument indexes", "Format errors": errors are part of the text)."""

from __future__ import annotations

from dataclasses import replace

from hpccompat.rules.template.limits import Limits
from hpccompat.rules.template.printing import PLAIN, Flags, Printer
from hpccompat.rules.template.values import Value, type_name

_LARGEST = 1_000_000
_FLAGS = {"#": "sharp", "0": "zero", "+": "plus", "-": "minus", " ": "space"}


def sprintf(limits: Limits, form: bytes, *values: Value) -> bytes:
    return _Form(limits, form, values).run()


class _Form:
    def __init__(self, limits: Limits, form: bytes, values: tuple[Value, ...]) -> None:
        # One character a byte, and those that are no characters kept.
        self.form, self.values = form.decode("utf-8", "surrogateescape"), values
        self.limits, self.printer = limits, Printer(limits)
        self.position, self.argument = 0, 0
        self.reordered, self.good, self.after_index = False, True, False

    def run(self) -> bytes:
        while self.position < len(self.form):
            self.limits.step(10)
            end = self.form.find("%", self.position)
            end = end if end >= 0 else len(self.form)
            self.write(self.form[self.position : end])
            self.position = end + 1
            if end < len(self.form):
                self.verb()
        if not self.reordered and self.argument < len(self.values):
            self.extra()
        return b"".join(self.printer.out)

    def write(self, text: str) -> None:
        self.printer.write(text.encode("utf-8", "surrogateescape"))

    def following(self) -> str:
        return self.form[self.position : self.position + 1]

    def verb(self) -> None:
        self.good = True
        flags = PLAIN
        while self.following() and self.following() in _FLAGS:
            flags = replace(flags, **{_FLAGS[self.following()]: True})
            self.position += 1
        self.index()
        flags = self.width(flags)
        if self.following() == "." and self.position + 1 < len(self.form):
            flags = self.precision(flags)
        if not self.after_index:
            self.index()
        verb = self.following()
        self.position += 1
        if not verb:
            self.write("%!(NOVERB)")
        elif verb == "%":
            self.write("%")
        elif not self.good:
            self.write(f"%!{verb}(BADINDEX)")
        elif self.argument >= len(self.values):
            self.write(f"%!{verb}(MISSING)")
        else:
            if verb in "vw":
                flags = replace(flags, sharp_v=flags.sharp, sharp=False, plus_v=flags.plus, plus=False)
            self.argument += 1
            self.printer.argument(self.values[self.argument - 1], verb, flags)

    def index(self) -> None:
        """`[n]`: the argument that comes next."""
        self.after_index = False
        if self.following() != "[":
            return
        self.reordered = True
        end = self.form.find("]", self.position)
        if end < 0 or self.position + 3 > len(self.form):
            self.good = False
            self.position += 1
            return
        digits = self.form[self.position + 1 : end]
        self.position = end + 1
        if not (digits.isascii() and digits.isdigit() and len(digits) < 8 and int(digits) <= _LARGEST):
            self.good = False
            return
        self.after_index = True
        if 0 < int(digits) <= len(self.values):
            self.argument = int(digits) - 1
        else:
            self.good = False

    def width(self, flags: Flags) -> Flags:
        if self.following() != "*":
            width = self.number()
            if self.after_index and width is not None:
                self.good = False
            return replace(flags, width=width)
        self.position += 1
        width = self.from_argument()
        if width is None:
            self.write("%!(BADWIDTH)")
        elif width < 0:
            flags = replace(flags, minus=True, zero=False)
        self.after_index = False
        return replace(flags, width=None if width is None else abs(width))

    def precision(self, flags: Flags) -> Flags:
        self.position += 1
        if self.after_index:
            self.good = False
        self.index()
        if self.following() != "*":
            return replace(flags, precision=self.number() or 0)
        self.position += 1
        precision = self.from_argument()
        if precision is None or precision < 0:
            self.write("%!(BADPREC)")
            precision = None
        self.after_index = False
        return replace(flags, precision=precision)

    def number(self) -> int | None:
        start = self.position
        while self.following().isascii() and self.following().isdigit():
            self.position += 1
        digits = self.form[start : self.position]
        if not digits:
            return None
        if len(digits) > 7 or int(digits) > _LARGEST:
            # Go gives up here, and reads on after all the digits.
            self.position = len(self.form)
            return None
        return int(digits)

    def from_argument(self) -> int | None:
        if self.argument >= len(self.values):
            return None
        value = self.values[self.argument]
        self.argument += 1
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
            return None
        return int(value)

    def extra(self) -> None:
        self.write("%!(EXTRA ")
        for position, value in enumerate(self.values[self.argument :]):
            if position:
                self.write(", ")
            if value is None:
                self.write("<nil>")
            else:
                self.write(type_name(value) + "=")
                self.printer.argument(value, "v", PLAIN)
        self.write(")")
