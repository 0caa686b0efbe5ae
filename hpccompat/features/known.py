"""The feature sets that sources write, and their elements: NFD's ("Available features") and, under `hpc.`, ours.

docs/features.md describes each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class KnownSet:
    """`elements`: all there can be, or empty where any name may occur. `kinds`: flags, attributes, instances, as
    far as NFD uses them. `may_be_absent`: some hosts have no such set at all, not even an empty one."""

    kinds: tuple[str, ...]
    elements: frozenset[str] = frozenset()
    may_be_absent: bool = False


def _attributes(elements: str = "", may_be_absent: bool = False) -> KnownSet:
    return KnownSet(("attributes",), frozenset(elements.split()), may_be_absent)


def _instances(elements: str) -> KnownSet:
    return KnownSet(("instances",), frozenset(elements.split()))


def _flags(elements: str = "") -> KnownSet:
    return KnownSet(("flags",), frozenset(elements.split()))


# Names of sysctl(8); none that changes by itself, or whose default follows from the size of the memory.
_SYSCTL = """
    fs.pipe-max-size kernel.apparmor_restrict_unprivileged_userns kernel.core_pattern kernel.kptr_restrict
    kernel.numa_balancing kernel.perf_event_paranoid kernel.pid_max kernel.randomize_va_space
    kernel.sched_autogroup_enabled kernel.shmall kernel.shmmax kernel.shmmni
    kernel.unprivileged_bpf_disabled kernel.unprivileged_userns_clone kernel.yama.ptrace_scope net.core.rmem_max
    net.core.wmem_max vm.max_map_count vm.mmap_min_addr vm.nr_hugepages
    vm.nr_overcommit_hugepages vm.overcommit_memory vm.overcommit_ratio vm.swappiness vm.zone_reclaim_mode
"""
_RUNTIMES = "apptainer charliecloud docker enroot podman sarus shifter singularity"
# Linux, "The kernel's command-line parameters"; none that tells names or addresses.
_CMDLINE = """
    amd_iommu amd_pstate cgroup_disable cgroup_enable cgroup_no_v1 clocksource default_hugepagesz hpet hugepages
    hugepagesz idle intel_idle.max_cstate intel_iommu intel_pstate iommu iommu.passthrough isolcpus maxcpus mitigations
    module_blacklist nmi_watchdog nohz nohz_full nokaslr nosmt numa_balancing nvidia-drm.modeset pci pcie_aspm preempt
    processor.max_cstate rcu_nocbs rdt selinux skew_tick spectre_v2 systemd.unified_cgroup_hierarchy
    transparent_hugepage tsc tsx tsx_async_abort vsyscall
"""


KNOWN_SETS: Mapping[str, KnownSet] = {
    "cpu.coprocessor": _attributes("nx_gzip"),
    "cpu.cpuid": KnownSet(("flags", "attributes")),
    "cpu.cstate": _attributes("enabled"),
    "cpu.model": _attributes("family hypervisor id vendor_id"),
    "cpu.pstate": _attributes("scaling_governor status turbo"),
    "cpu.rdt": _attributes("RDTCMT RDTL3CA RDTL3CA_NUM_CLOSID RDTL2CA RDTMBA RDTMBM RDTMON"),
    "cpu.security": _attributes(
        "sev.asids sev.enabled sev.encrypted_state_ids sev.es.enabled sev.snp.enabled sgx.enabled sgx.epc se.enabled"
        " tdx.enabled tdx.protected tdx.total_keys"
    ),
    "cpu.sst": _attributes("bf.enabled"),
    "cpu.topology": _attributes("hardware_multithreading socket_count"),
    "hpc.cmdline": _attributes(_CMDLINE),
    "hpc.container": _attributes(f"{_RUNTIMES} user_namespaces"),
    "hpc.container.runtime": _flags(_RUNTIMES),
    "hpc.fabric.kind": _flags("efa infiniband iwarp omni-path roce slingshot"),
    "hpc.fabric.port": _instances("board device driver firmware generation kind link_layer model port rate_gbps state"),
    "hpc.filesystem.client": _attributes("beegfs gpfs lustre weka"),
    "hpc.filesystem.type": _flags(),
    "hpc.gpu.amd": _attributes("count driver rocm"),
    "hpc.gpu.device": _instances("device driver gfx memory_mib mig_instances model numa_node vendor"),
    "hpc.gpu.intel": _attributes("count"),
    "hpc.gpu.nvidia": _attributes("count cuda driver mig open"),
    "hpc.libc": _attributes("name version"),
    "hpc.microarchitecture": _attributes("family name vendor"),
    "hpc.microarchitecture.compatible": _flags(),
    "hpc.microarchitecture.feature": _flags(),
    "hpc.mpi.library": _instances("implementation version"),
    "hpc.mpi.pmix": _attributes("version"),
    "hpc.slurm": _attributes("version"),
    "hpc.slurm.gres": _attributes(),
    "hpc.sysctl": _attributes(_SYSCTL),
    "kernel.config": _attributes(may_be_absent=True),
    "kernel.enabledmodule": KnownSet(("flags",), may_be_absent=True),
    "kernel.kvm": _attributes("enabled"),
    "kernel.loadedmodule": KnownSet(("flags",), may_be_absent=True),
    "kernel.selinux": _attributes("enabled", may_be_absent=True),
    "kernel.version": _attributes("full major minor revision"),
    "local.feature": _attributes(),
    "local.label": _attributes(),
    "memory.hugepages": _attributes(),
    "memory.numa": _attributes("is_numa node_count"),
    "memory.nv": _instances("devtype mode name"),
    "memory.swap": _attributes("enabled", may_be_absent=True),
    "network.device": _instances("mtu name operstate speed sriov_numvfs sriov_totalvfs"),
    "network.virtual": _instances("mtu name operstate speed"),
    "pci.device": _instances(
        "class device iommu/intel-iommu/version iommu_group/type sriov_totalvfs subsystem_device subsystem_vendor"
        " vendor"
    ),
    "rule.matched": _attributes(may_be_absent=True),
    "storage.block": _instances("dax name nr_zones rotational zoned"),
    "system.dmiid": _attributes(
        "bios_date bios_vendor bios_version board_asset_tag board_name board_vendor board_version chassis_asset_tag"
        " chassis_type chassis_vendor chassis_version product_family product_name product_sku product_version"
        " sys_vendor",
        may_be_absent=True,
    ),
    "system.name": _attributes("nodename"),
    "system.osrelease": _attributes(may_be_absent=True),
    "usb.device": _instances("class device serial vendor"),
}
