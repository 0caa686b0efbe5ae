"""The table of functions: text/template's own, and sprig's where both have one (`slice`).

Name -> what is called, and the Go types of its parameters: `any` is interface{}, `value` any value whatever (there nil
is no argument of a type), `dict` map[string]interface{}, `version` *semver.Version; dots: any number of further ones.
"""

from __future__ import annotations

from collections.abc import Mapping

from hpccompat.rules.template import (
    access,
    compare,
    constraints,
    convert,
    defaults,
    dicts,
    durations,
    encodings,
    escape,
    json_text,
    lists,
    maths,
    paths,
    regexes,
    semver,
    text,
    words,
)
from hpccompat.rules.template.limits import failed
from hpccompat.rules.template.printf import sprintf
from hpccompat.rules.template.row import Row, row, simple
from hpccompat.rules.template.values import Value


def _logic(*_: Value) -> Value:
    """`and` and `or` evaluate their arguments themselves: see execute."""
    raise failed("called without its arguments")


_OWN = {
    "and": row(_logic, "value value..."),
    "call": row(simple(access.call), "value value..."),
    "eq": row(simple(compare.equal), "value value..."),
    "ge": row(simple(compare.greater_or_equal), "value value"),
    "gt": row(simple(compare.greater), "value value"),
    "html": row(escape.html, "any..."),
    "index": row(access.index, "value value..."),
    "js": row(escape.js, "any..."),
    "le": row(simple(compare.less_or_equal), "value value"),
    "len": row(simple(access.length), "value"),
    "lt": row(simple(compare.less), "value value"),
    "ne": row(simple(compare.not_equal), "value value"),
    "not": row(simple(compare.negation), "value"),
    "or": row(_logic, "value value..."),
    "print": row(text.sprint, "any..."),
    "printf": row(sprintf, "string any..."),
    "println": row(text.print_line, "any..."),
    "urlquery": row(escape.urlquery, "any..."),
}
_TEXTS = {
    "abbrev": row(simple(words.abbreviate), "int string"),
    "abbrevboth": row(simple(words.abbreviate_both), "int int string"),
    "camelcase": row(words.camelcase, "string"),
    "cat": row(text.cat, "any..."),
    "contains": row(simple(text.contains), "string string"),
    "hasPrefix": row(simple(text.has_prefix), "string string"),
    "hasSuffix": row(simple(text.has_suffix), "string string"),
    "indent": row(text.indent, "int string"),
    "initials": row(words.initials, "string"),
    "join": row(text.join, "string any"),
    "kebabcase": row(words.kebabcase, "string"),
    "lower": row(text.lower, "string"),
    "nindent": row(text.nindent, "int string"),
    "nospace": row(words.nospace, "string"),
    "plural": row(simple(text.plural), "string string int"),
    "quote": row(text.quote, "any..."),
    "repeat": row(text.repeat, "int string"),
    "replace": row(text.replace, "string string string"),
    "snakecase": row(words.snakecase, "string"),
    "split": row(text.split, "string string"),
    "splitList": row(text.split_list, "string string"),
    "splitn": row(text.splitn, "string int string"),
    "squote": row(text.single_quote, "any..."),
    "substr": row(simple(text.substring), "int int string"),
    "swapcase": row(words.swapcase, "string"),
    "title": row(text.title, "string"),
    "toString": row(convert.to_string, "any"),
    "toStrings": row(convert.strings, "any"),
    "trim": row(simple(text.trim), "string"),
    "trimAll": row(simple(text.trim_all), "string string"),
    "trimall": row(simple(text.trim_all), "string string"),
    "trimPrefix": row(simple(text.trim_prefix), "string string"),
    "trimSuffix": row(simple(text.trim_suffix), "string string"),
    "trunc": row(simple(text.truncate), "int string"),
    "untitle": row(words.untitle, "string"),
    "upper": row(text.upper, "string"),
    "wrap": row(words.wrap, "int string"),
    "wrapWith": row(words.wrap_with, "int string string"),
}
_REGEXES = {
    "regexFind": row(regexes.find, "string string"),
    "regexFindAll": row(regexes.find_all, "string string int"),
    "regexMatch": row(regexes.match, "string string"),
    "regexQuoteMeta": row(regexes.quote_meta, "string"),
    "regexReplaceAll": row(regexes.replace_all, "string string string"),
    "regexReplaceAllLiteral": row(regexes.replace_all_literal, "string string string"),
    "regexSplit": row(regexes.split, "string string int"),
    "mustRegexMatch": row(regexes.must_match, "string string"),
}
_NUMBERS = {
    "add": row(maths.add, "any..."),
    "add1": row(maths.add_one, "any"),
    "add1f": row(maths.add_one_float, "any"),
    "addf": row(maths.add_float, "any..."),
    "atoi": row(simple(convert.atoi), "string"),
    "biggest": row(maths.largest, "any any..."),
    "ceil": row(simple(maths.ceiling), "any"),
    "div": row(maths.divide, "any any"),
    "divf": row(maths.divide_float, "any any..."),
    "duration": row(simple(durations.duration), "any"),
    "durationRound": row(durations.duration_round, "any"),
    "float64": row(simple(convert.to_float64), "any"),
    "floor": row(simple(maths.floor), "any"),
    "int": row(simple(convert.to_int), "any"),
    "int64": row(simple(convert.to_int64), "any"),
    "max": row(maths.largest, "any any..."),
    "maxf": row(maths.largest_float, "any any..."),
    "min": row(maths.smallest, "any any..."),
    "minf": row(maths.smallest_float, "any any..."),
    "mod": row(maths.modulo, "any any"),
    "mul": row(maths.multiply, "any any..."),
    "mulf": row(maths.multiply_float, "any any..."),
    "round": row(maths.round_to, "any int float..."),
    "seq": row(maths.sequence, "int..."),
    "sub": row(maths.subtract, "any any"),
    "subf": row(maths.subtract_float, "any any..."),
    "toDecimal": row(convert.to_decimal, "any"),
    "until": row(maths.until, "int"),
    "untilStep": row(maths.until_step, "int int int"),
}
_CHOICE = {
    "all": row(simple(defaults.all_of), "any..."),
    "any": row(simple(defaults.any_of), "any..."),
    "coalesce": row(simple(defaults.coalesce), "any..."),
    "deepEqual": row(defaults.deep_equal, "any any"),
    "default": row(simple(defaults.default), "any any..."),
    "empty": row(simple(defaults.empty), "any"),
    "fail": row(simple(defaults.fail), "string"),
    "hello": row(simple(defaults.hello)),
    "kindIs": row(simple(defaults.kind_is), "string any"),
    "kindOf": row(simple(defaults.kind_of), "any"),
    "ternary": row(simple(defaults.ternary), "any any bool"),
    "typeIs": row(simple(defaults.type_is), "string any"),
    "typeIsLike": row(simple(defaults.type_is_like), "string any"),
    "typeOf": row(simple(defaults.type_of), "any"),
}
_LISTS = {
    "append": row(lists.append, "any any"),
    "chunk": row(lists.chunk, "int any"),
    "compact": row(lists.compact, "any"),
    "concat": row(lists.concat, "any..."),
    "first": row(simple(lists.first), "any"),
    "has": row(lists.has, "any any"),
    "initial": row(lists.initial, "any"),
    "last": row(simple(lists.last), "any"),
    "list": row(lists.new, "any..."),
    "prepend": row(lists.prepend, "any any"),
    "push": row(lists.append, "any any"),
    "rest": row(lists.rest, "any"),
    "reverse": row(lists.reverse, "any"),
    "slice": row(lists.slice_of, "any any..."),
    "sortAlpha": row(lists.sort_alpha, "any"),
    "tuple": row(lists.new, "any..."),
    "uniq": row(lists.uniq, "any"),
    "without": row(lists.without, "any any..."),
}
_DICTS = {
    "deepCopy": row(dicts.deep_copy, "any"),
    "dict": row(dicts.new, "any..."),
    "dig": row(simple(dicts.dig), "any..."),
    "get": row(simple(dicts.get), "dict string"),
    "hasKey": row(simple(dicts.has_key), "dict string"),
    "keys": row(dicts.keys, "dict..."),
    "merge": row(dicts.merge, "dict dict..."),
    "mergeOverwrite": row(dicts.merge_overwrite, "dict dict..."),
    "omit": row(dicts.omit, "dict string..."),
    "pick": row(dicts.pick, "dict string..."),
    "pluck": row(dicts.pluck, "string dict..."),
    "set": row(dicts.set_key, "dict string any"),
    "unset": row(simple(dicts.unset), "dict string"),
    "values": row(dicts.values, "dict"),
}
_ENCODINGS = {
    "adler32sum": row(encodings.adler32sum, "string"),
    "b32dec": row(encodings.base32_decode, "string"),
    "b32enc": row(encodings.base32_encode, "string"),
    "b64dec": row(encodings.base64_decode, "string"),
    "b64enc": row(encodings.base64_encode, "string"),
    "fromJson": row(json_text.from_json, "string"),
    "mustFromJson": row(json_text.must_from_json, "string"),
    "mustToJson": row(json_text.must_to_json, "any"),
    "mustToPrettyJson": row(json_text.must_to_pretty_json, "any"),
    "sha1sum": row(encodings.sha1sum, "string"),
    "sha256sum": row(encodings.sha256sum, "string"),
    "sha512sum": row(encodings.sha512sum, "string"),
    "toJson": row(json_text.to_json, "any"),
    "toPrettyJson": row(json_text.to_pretty_json, "any"),
    "toRawJson": row(json_text.to_raw_json, "any"),
}
_PATHS = {
    "base": row(simple(paths.base), "string"),
    "clean": row(paths.clean, "string"),
    "dir": row(paths.directory, "string"),
    "ext": row(simple(paths.extension), "string"),
    "isAbs": row(simple(paths.is_absolute), "string"),
    "semver": row(simple(semver.parse), "string"),
    "semverCompare": row(constraints.semver_compare, "string string"),
    "urlJoin": row(paths.url_join, "dict"),
    "urlParse": row(paths.url_parse, "string"),
}
# These return an error where the one without "must" panics; in a template it is the same.
_MUST = (
    "append chunk compact deepCopy first has initial last merge mergeOverwrite prepend push regexFind regexFindAll "
    "regexReplaceAll regexReplaceAllLiteral regexSplit rest reverse slice toRawJson uniq without"
).split()
_OF_FILES = {f"os{name.capitalize()}": name for name in ("base", "clean", "dir", "ext")} | {"osIsAbs": "isAbs"}

_ALL = _OWN | _TEXTS | _REGEXES | _NUMBERS | _CHOICE | _LISTS | _DICTS | _ENCODINGS | _PATHS
FUNCTIONS: Mapping[str, Row] = (
    _ALL
    | {f"must{name[0].upper()}{name[1:]}": _ALL[name] for name in _MUST}
    | {name: _ALL[same] for name, same in _OF_FILES.items()}
)
