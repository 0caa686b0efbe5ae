"""`spack compat check|nodes`: will a binary run here, or where will it?"""

import sys

from spack.extensions.compat.core import CompatError, judge, lockfile, of_words, show

description = "know before installing whether a binary will run (hpccompat)"
section = "build"
level = "short"


def setup_parser(subparser):
    actions = subparser.add_subparsers(metavar="ACTION", dest="compat_action")
    check = actions.add_parser("check", help="judge binaries against this host, or recorded nodes")
    check.add_argument("-e", "--env", metavar="ENV", help="all of an environment; without specs, the active one")
    check.add_argument("--features", metavar="FILE", help="against a node record, instead of this host")
    check.add_argument("--node", metavar="NODES", help="against recorded nodes: all of them must do")
    check.add_argument("specs", nargs="*", metavar="SPEC", help="name@version…, /hash, name/hash")
    nodes = actions.add_parser("nodes", help="show which recorded nodes can run a binary")
    nodes.add_argument("-e", "--env", metavar="ENV", help="all of an environment; without specs, the active one")
    nodes.add_argument("specs", nargs="*", metavar="SPEC", help="name@version…, /hash, name/hash")


def compat(parser, args):
    """Exit status: 0 each spec has a binary that fits, 1 one has not, 2 wrong usage, 3 something is unavailable."""
    try:
        if args.compat_action not in ("check", "nodes"):
            parser.print_usage(sys.stderr)
            return 2
        arguments = ["--all"] if args.compat_action == "nodes" else _where(args)
        if args.env or not args.specs:
            if args.specs:
                raise CompatError("specs or an environment, not both")
            return show(lockfile(args.env), arguments)
        return max([_one(word, specs, arguments) for word, specs in of_words(args.specs)])
    except CompatError as error:
        sys.stderr.write("spack compat: {0}\n".format(error))
        return error.status


def _where(args):
    given = []
    if args.features:
        given += ["--features", args.features]
    if args.node:
        given += ["--node", args.node]
    return given


def _one(word, specs, arguments):
    """One binary is explained; of several each has a line."""
    if not specs:
        raise CompatError("no binary is meant by {0!r}: neither installed, nor in an index of a mirror".format(word), 3)
    if len(specs) == 1:
        return show(specs[0], arguments)
    statuses = []
    for spec in specs:
        answer, status = judge(spec, arguments)
        statuses.append(status)
        text = spec.format("{name}@{version} {arch} /{hash:7}")
        print("{0:<60} {1}".format(text, _verdict(answer)))
    return 0 if 0 in statuses else max(statuses)


def _verdict(answer):
    if "counts" in answer:
        return "{0} of {1} nodes: {2}".format(
            answer["counts"]["eligible"], sum(answer["counts"].values()), answer["eligible"] or "none"
        )
    return {True: "compatible", False: "incompatible", None: "unknown"}[answer.get("compatible")]
