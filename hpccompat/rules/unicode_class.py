"""The Unicode classes of Go's regexp (`\\p{...}`), in terms of those that RE2 has.

Go (regexp/syntax since 1.25) ignores case, blanks, underscores and hyphens in their names, knows the long names of
the categories, and Any, ASCII, Assigned, LC and Cn; category C includes Cn. RE2 knows short, exact names only.
"""

from __future__ import annotations

import functools
import sys
from array import array

_UTF_32 = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"

# Unicode's PropertyValueAliases.txt, general category.
_CATEGORIES = """
    L=Letter Lu=Uppercase_Letter Ll=Lowercase_Letter Lt=Titlecase_Letter Lm=Modifier_Letter Lo=Other_Letter
    M=Mark M=Combining_Mark Mn=Nonspacing_Mark Mc=Spacing_Mark Me=Enclosing_Mark N=Number Nd=Decimal_Number Nd=digit
    Nl=Letter_Number No=Other_Number P=Punctuation P=punct Pc=Connector_Punctuation Pd=Dash_Punctuation
    Ps=Open_Punctuation Pe=Close_Punctuation Pi=Initial_Punctuation Pf=Final_Punctuation Po=Other_Punctuation
    S=Symbol Sm=Math_Symbol Sc=Currency_Symbol Sk=Modifier_Symbol So=Other_Symbol Z=Separator Zs=Space_Separator
    Zl=Line_Separator Zp=Paragraph_Separator Cc=Control Cc=cntrl Cf=Format Cs=Surrogate Co=Private_Use
"""
_SCRIPTS = """
    Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki
    Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee
    Chorasmian Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra
    Duployan Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati
    Gunjala_Gondi Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited
    Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi
    Khitan_Small_Script Khmer Khojki Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian
    Mahajani Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui
    Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari
    Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian Old_Italic
    Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage
    Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan
    Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Syloti_Nagri
    Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan
    Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square
"""


def _key(name: str) -> str:
    return name.translate({ord(each): None for each in " _-"}).lower()


_NAMES = {_key(name): name for name in _SCRIPTS.split()}
_NAMES |= {_key(long): short for short, _, long in (each.partition("=") for each in _CATEGORIES.split())}
_NAMES |= {_key(short): short for short in set(_NAMES.values())} | {"any": "Any"}
# Those that RE2 lacks: a union of what it has, and whether the class is all but that.
_LETTERS, _BUT_OTHER = r"\p{Lu}\p{Ll}\p{Lt}", r"\pL\pM\pN\pP\pS\pZ"
_UNIONS = {
    "ascii": (r"\x00-\x7F", False),
    "lc": (_LETTERS, False),
    "casedletter": (_LETTERS, False),
    "assigned": (_BUT_OTHER + r"\pC", False),
    "cn": (_BUT_OTHER + r"\pC", True),
    "unassigned": (_BUT_OTHER + r"\pC", True),
    "c": (_BUT_OTHER, True),
    "other": (_BUT_OTHER, True),
}


def translated(name: str, negated: bool, in_class: bool) -> str | None:
    """RE2's text for Go's class of this name; None where Go has no such class."""
    if name.startswith("^"):
        name, negated = name[1:], not negated
    key = _key(name)
    if key in _UNIONS:
        union, but = _UNIONS[key]
        if not in_class:
            return f"[{'^' if but != negated else ''}{union}]"
        return _all_but(union) if but != negated else union
    return f"\\{'P' if negated else 'p'}{{{_NAMES[key]}}}" if key in _NAMES else None


# The code points at which a class can begin or end: in the gaps between these, all are unassigned or all are for
# private use, as their neighbours are. Surrogates are left out, no text holds them.
_LANDMARKS = (
    *(range(0xD800), range(0xE000, 0x40000), range(0xE0000, 0xE1000), range(0xEFFFF, 0xF0001)),
    *(range(0xFFFFD, 0x100001), range(0x10FFFD, 0x110000)),
)


@functools.lru_cache(maxsize=8)
def _all_but(union: str) -> str:
    """The complement of a union, as ranges: inside a character class nothing else can say it."""
    import re2

    text = "".join(array("I", each).tobytes().decode(_UTF_32) for each in _LANDMARKS)
    found = re2.compile(f"[^{union}]+").finditer(text)
    return "".join(f"\\x{{{ord(text[each.start()]):X}}}-\\x{{{ord(text[each.end() - 1]):X}}}" for each in found)
