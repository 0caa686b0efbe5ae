"""The feature sets that NFD's sources write, and their elements (NFD, "Available features"), for lint."""

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
    "kernel.config": _attributes(),
    "kernel.enabledmodule": KnownSet(("flags",), may_be_absent=True),
    "kernel.kvm": _attributes("enabled"),
    "kernel.loadedmodule": KnownSet(("flags",), may_be_absent=True),
    "kernel.selinux": _attributes("enabled"),
    "kernel.version": _attributes("full major minor revision"),
    "local.feature": _attributes(),
    "local.label": _attributes(),
    "memory.hugepages": _attributes(),
    "memory.numa": _attributes("is_numa node_count"),
    "memory.nv": _instances("devtype mode name"),
    "memory.swap": _attributes("enabled"),
    "network.device": _instances("mtu name operstate speed sriov_numvfs sriov_totalvfs"),
    "network.virtual": _instances("mtu name operstate speed"),
    "pci.device": _instances(
        "class device iommu/intel-iommu/version iommu_group/type sriov_totalvfs subsystem_device subsystem_vendor"
        " vendor"
    ),
    "rule.matched": _attributes(may_be_absent=True),
    "storage.block": _instances("dax name nr_zones rotational zoned"),
    "system.dmiid": _attributes(may_be_absent=True),
    "system.name": _attributes("nodename"),
    "system.osrelease": _attributes(may_be_absent=True),
    "usb.device": _instances("class device serial vendor"),
}
