"""What a binary needs of its host, as far as Spack's metadata tells, over all that it links to and runs (pure).

A dependency may be built for another target than the root, and for an older C library: each counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from hpccompat.errors import SpackError
from hpccompat.features.distribution import glibc_of_label
from hpccompat.spack.microarchitecture import family_of, features_of, is_known, outermost
from hpccompat.spack.model import Concrete, Node, Target

_LIBCS = ("glibc", "musl")
_MPIS = {
    "mpich", "openmpi", "mvapich", "mvapich2", "mvapich2-gdr", "mvapich-plus", "intel-oneapi-mpi", "cray-mpich",
    "spectrum-mpi", "mpt", "hpcx-mpi", "fujitsu-mpi",
}  # fmt: skip
# They are built with support for GPUs, and work without.
_WITH_OR_WITHOUT_GPU = {*_MPIS, "hwloc", "ucx", "ucc", "libfabric", "papi", "gdrcopy", "adios2", "slurm", "pmix"}
# What a network library was built for (variant `fabrics` of libfabric and MPIs) -> hpc.fabric.kind.
_FABRICS = {
    "verbs": ("infiniband", "roce", "iwarp"), "mlx": ("infiniband", "roce"), "ucx": ("infiniband", "roce"),
    "mrail": ("infiniband", "roce"), "psm2": ("omni-path",), "psm3": ("infiniband", "roce"), "opx": ("omni-path",),
    "cxi": ("slingshot",), "efa": ("efa",),
}  # fmt: skip
_SHOWN = 3
_VERSION = re.compile(r"\d+(?:\.\d+){0,2}", re.ASCII)


@dataclass(frozen=True)
class Libc:
    """`source`: how its version is known."""

    name: str
    version: str
    source: str


@dataclass(frozen=True)
class Needed:
    """A package that must already be on the host. `of`: who needs it."""

    name: str
    version: str
    path: str
    modules: tuple[str, ...]
    of: str

    def __str__(self) -> str:
        modules = f" (module {', '.join(self.modules)})" if self.modules else ""
        return f"{self.name}@{self.version} at {self.path or 'an unknown place'}{modules}"


@dataclass(frozen=True)
class Facts:
    """`targets`: the outermost of all, `features` what code for them may use. `cuda`, `rocm`: version of the runtime,
    "" for none. `cuda_arch`: `80`, `90a`, …; `ptx`: those of its PTX, None where
    that is not known; `amdgpu_target`: gfx names. `gpu`: the vendors whose devices are needed.
    `fabrics`: kinds of `hpc.fabric.kind` that its network libraries were built for. `notes`: what is told, and
    decides nothing. `kernel`: the oldest that will do, "" where that is not known."""

    name: str
    family: str
    targets: tuple[Target, ...]
    features: frozenset[str]
    os: tuple[str, ...] = ()
    libc: Libc | None = None
    externals: tuple[Needed, ...] = ()
    gpu: tuple[str, ...] = ()
    cuda: str = ""
    cuda_arch: tuple[str, ...] = ()
    ptx: tuple[str, ...] | None = None
    rocm: str = ""
    amdgpu_target: tuple[str, ...] = ()
    fabrics: tuple[str, ...] = ()
    kernel: str = ""
    notes: tuple[str, ...] = ()


def facts_of(concrete: Concrete) -> Facts:
    """Raises SpackError, also for what no Linux host can run."""
    closure = concrete.closure()
    own = [node for node in closure if node.external is None]
    if not own:
        raise SpackError("spec-type", f"{concrete.root_nodes()[0]}: is an external, which Spack has not built")
    foreign = [node for node in own if node.platform != "linux"]
    if foreign:
        raise SpackError("spec-type", f"{foreign[0]}: is built for {foreign[0].platform}, and these hosts run Linux")
    targets = outermost({node.target for node in own})
    families = sorted({family for family in map(family_of, targets) if family})
    if len(families) > 1:
        raise SpackError("spec-type", f"{own[0]}: is built for {' and '.join(families)}: no host is both")
    labels = tuple(sorted({node.os for node in own}))
    notes = [f"built on {', '.join(labels)}"]
    notes += [
        f"target {each.name} is not known to this archspec: by the features that its builder recorded"
        for each in targets
        if not is_known(each)
    ]
    libc, more = _libc(concrete, closure, labels)
    facts = Facts(
        _name(concrete.root_nodes()),
        families[0] if families else "",
        targets,
        frozenset().union(*map(features_of, targets)),
        labels,
        libc,
        _externals(concrete, closure),
        fabrics=_fabrics(closure),
    )
    facts, gpu = _gpu(facts, closure, frozenset(concrete.roots))
    if concrete.signed:
        more = (*more, "its metadata is signed; the signature was not verified")
    return replace(facts, notes=(*notes, *more, *_mpi(concrete), *gpu))


def _name(roots: tuple[Node, ...]) -> str:
    """Of an environment the first ones."""
    shown = ", ".join(map(str, roots[:_SHOWN]))
    return f"{shown} and {len(roots) - _SHOWN} more" if len(roots) > _SHOWN else shown


def _libc(
    concrete: Concrete, closure: tuple[Node, ...], labels: tuple[str, ...]
) -> tuple[Libc | None, tuple[str, ...]]:
    """The host's own C library, if the binary uses it: the newest that any of its packages was built against."""
    needed = {edge.hash for _, edge in concrete.edges() if "libc" in edge.virtuals or edge.name in _LIBCS}
    found = [node for node in closure if node.hash in needed or node.name in _LIBCS]
    external = [node for node in found if node.external is not None]
    if external:
        newest = max(external, key=lambda node: _numbers(node.version))
        return Libc(newest.name, plain_version(newest.version), f"{newest.name}@{newest.version} of the build host"), ()
    if found:
        return None, (f"brings its own C library: {found[0]}",)
    # Spack before 0.22 does not record it.
    known = [(version, label) for label in labels if (version := glibc_of_label(label))]
    if known:
        version, label = max(known, key=lambda each: _numbers(each[0]))
        return Libc("glibc", version, f"what {label} ships; the metadata does not tell"), ()
    return None, (f"which C library it needs is not known (Spack before 0.22, built on {', '.join(labels)})",)


def _externals(concrete: Concrete, closure: tuple[Node, ...]) -> tuple[Needed, ...]:
    of = {edge.hash: node for node, edge in reversed(concrete.edges())}
    return tuple(
        Needed(node.name, node.version, node.external.path, node.external.modules, str(of.get(node.hash, "")))
        for node in closure
        if node.external is not None and node.name not in _LIBCS
    )


def _gpu(facts: Facts, closure: tuple[Node, ...], roots: frozenset[str]) -> tuple[Facts, tuple[str, ...]]:
    """A GPU is needed where the root was built for it, or device code was made for something that is of no use
    without."""
    notes = []
    gpu: list[str] = []
    for vendor, variant, arch in (("nvidia", "cuda", "cuda_arch"), ("amd", "rocm", "amdgpu_target")):
        built = [node for node in closure if node.parameters.get(variant) is True or node.values(arch)]
        if any(each.hash in roots or (each.values(arch) and each.name not in _WITH_OR_WITHOUT_GPU) for each in built):
            gpu.append(vendor)
        elif built:
            notes.append(f"{built[0]} is built with {variant}; a GPU is used where there is one")
    archs = {each for node in closure for each in node.values("cuda_arch") if node.name not in _WITH_OR_WITHOUT_GPU}
    gfx = {each.partition(":")[0] for node in closure for each in node.values("amdgpu_target")}
    cuda = next((node.version for node in closure if node.name == "cuda"), "")
    rocm = next((node.version for node in closure if node.name in ("hip", "hsa-rocr-dev")), "")
    if "nvidia" in gpu and not cuda:
        notes.append("which CUDA runtime it uses is not recorded: no driver is asked for")
    if "nvidia" in gpu and not archs:
        notes.append("for which GPUs it has device code is not recorded (cuda_arch=none)")
    if rocm:
        notes.append(f"ROCm {rocm}: AMD supports the amdgpu drivers of two minor releases around it; nodes rarely tell")
    return replace(
        facts,
        gpu=tuple(gpu),
        cuda=plain_version(cuda),
        cuda_arch=tuple(sorted(archs)),
        rocm=plain_version(rocm),
        amdgpu_target=tuple(sorted(gfx)),
    ), tuple(notes)


def _mpi(concrete: Concrete) -> tuple[str, ...]:
    hashes = {edge.hash for _, edge in concrete.edges() if "mpi" in edge.virtuals or edge.name in _MPIS}
    notes = []
    for hash in sorted(hashes):
        node = concrete.nodes[hash]
        external = f", external at {node.external.path}" if node.external is not None else ""
        notes.append(f"MPI: {node.name}@{node.version}{external}")
    return tuple(notes)


def _fabrics(closure: tuple[Node, ...]) -> tuple[str, ...]:
    """Of packages that are not the host's own: what those can do is not recorded."""
    built = [node for node in closure if node.external is None]
    words = {word for node in built if node.name in ("libfabric", *_MPIS) for word in node.values("fabrics")}
    for node in built:
        if node.name == "ucx" and any(node.parameters.get(each) is True for each in ("verbs", "rc", "dc", "mlx5_dv")):
            words.add("ucx")
    return tuple(sorted({kind for word in words for kind in _FABRICS.get(word, ())}))


def plain_version(text: str) -> str:
    """The first one to three numbers, which is what rules can compare; "" where it begins otherwise."""
    match = _VERSION.match(text)
    return match[0] if match else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in plain_version(version).split(".") if part)
