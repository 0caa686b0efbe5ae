"""Which concrete specs are meant, and hpccompat's verdict on each.

Runs inside Spack 0.20 to 1.x, on its Python (3.6 and later): standard library alone, and of Spack only what has kept
its place over these releases. All judging is done by the program `hpccompat`, which gets each spec as a spec file, or
the prefix where it is installed: mirrors of any kind, and the access to them, stay Spack's own business.
"""

import json
import os
import shutil
import subprocess
import tempfile

UNAVAILABLE = 3


class CompatError(Exception):
    """What can't be done, for people; `status` is that of the command."""

    def __init__(self, text, status=2):
        super().__init__(text)
        self.status = status


def program():
    """The command: $HPCCOMPAT, or hpccompat on the PATH."""
    found = shutil.which(os.environ.get("HPCCOMPAT") or "hpccompat")
    if found is None:
        raise CompatError("hpccompat is not on the PATH; install it, or name it in the variable HPCCOMPAT", UNAVAILABLE)
    return found


def of_words(words):
    """Words of a command line -> [(word, concrete specs)]. A word may be a spec, /hash or name/hash."""
    known = known_specs()
    return [(word, matching(word, known)) for word in joined(words)]


def joined(words):
    """`name +variant /hash` in several words is one spec, as Spack reads it: one begins with a name or a slash."""
    specs = []
    for word in words:
        if specs and (not word or word[0] in "@%+~^-=" or "=" in word.split("/")[0]):
            specs[-1] += " " + word
        else:
            specs.append(word)
    return specs


def matching(word, known):
    """The known specs that the word means, the same DAG once."""
    text, _, dag_hash = word.partition("/")
    found = [spec for spec in known if spec.dag_hash().startswith(dag_hash)]
    if text.strip():
        import spack.cmd

        wanted = spack.cmd.parse_specs([text.strip()])[0]
        found = [spec for spec in found if spec.satisfies(wanted)]
    return found


def known_specs():
    """What is installed, then what the mirrors' indexes list; each DAG once, externals left out."""
    import spack.binary_distribution
    import spack.store

    store = getattr(spack.store, "STORE", spack.store)
    specs = list(store.db.query()) + list(spack.binary_distribution.update_cache_and_get_specs())
    known = {}
    for spec in specs:
        if not getattr(spec, "external", False):
            known.setdefault(spec.dag_hash(), spec)
    return list(known.values())


def lockfile(name=None):
    """The spack.lock of the named environment, or of the active one."""
    import spack.environment

    environment = spack.environment.read(name) if name else spack.environment.active_environment()
    if environment is None:
        raise CompatError("name specs, or an environment (-e ENV), or activate one")
    if not os.path.isfile(environment.lock_path):
        raise CompatError("environment {0} has no spack.lock: spack concretize".format(environment.name))
    return environment.lock_path


def judge(spec, arguments):
    """hpccompat's answer on one spec, as it gives it in JSON; and its exit status."""
    folder = tempfile.mkdtemp(prefix="spack-compat-")
    try:
        return _ask(_handed_over(spec, folder), arguments)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def show(name_or_spec, arguments):
    """The same for people, on the terminal; its exit status."""
    folder = tempfile.mkdtemp(prefix="spack-compat-")
    try:
        place = name_or_spec if isinstance(name_or_spec, str) else _handed_over(name_or_spec, folder)
        return subprocess.call([program(), "check", "--spack", place] + list(arguments))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ask(place, arguments):
    command = [program(), "--output", "json", "check", "--spack", place] + list(arguments)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    answer, complaint = process.communicate()
    try:
        return json.loads(answer), process.returncode
    except ValueError:
        raise CompatError(complaint.strip() or "hpccompat gave no answer", process.returncode or UNAVAILABLE)


def _handed_over(spec, folder):
    """The prefix of an installed spec, whose files then count, too; else a spec file."""
    if getattr(spec, "installed", False) and os.path.isdir(os.path.join(str(spec.prefix), ".spack")):
        return str(spec.prefix)
    path = os.path.join(folder, "{0}-{1}.spec.json".format(spec.name, spec.dag_hash()))
    with open(path, "w") as file:
        file.write(spec.to_json())
    return path
