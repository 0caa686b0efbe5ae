"""What a Spack target asks of a CPU: by archspec's table, else by what the builder's had."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from typing import Any

from hpccompat.spack.model import Target

# Linux's name of a flag that archspec asks for -> NFD's, where it has one. What it lacks is in no `cpu.cpuid`.
_X86_FLAGS = """
3dnow AMD3DNOW  3dnowext AMD3DNOWEXT  abm LZCNT  adx ADX  aes AESNI  amx_bf16 AMXBF16  amx_int8 AMXINT8
amx_tile AMXTILE  avx AVX  avx2 AVX2  avx512_bf16 AVX512BF16  avx512_bitalg AVX512BITALG  avx512_fp16 AVX512FP16
avx512_vbmi2 AVX512VBMI2  avx512_vnni AVX512VNNI  avx512_vp2intersect AVX512VP2INTERSECT
avx512_vpopcntdq AVX512VPOPCNTDQ  avx512bw AVX512BW  avx512cd AVX512CD  avx512dq AVX512DQ  avx512er AVX512ER
avx512f AVX512F  avx512ifma AVX512IFMA  avx512pf AVX512PF  avx512vbmi AVX512VBMI  avx512vl AVX512VL
avx_ifma AVXIFMA  avx_ne_convert AVXNECONVERT  avx_vnni AVXVNNI  avx_vnni_int16 AVXVNNIINT16  avx_vnni_int8 AVXVNNIINT8
bmi1 BMI1  bmi2 BMI2  cldemote CLDEMOTE  clzero CLZERO  cmpccxadd CMPCCXADD  cx16 CX16  f16c F16C  flush_l1d FLUSH_L1D
fma FMA3  fma4 FMA4  gfni GFNI  lahf_lm LAHF  mmx MMX  movbe MOVBE  movdir64b MOVDIR64B  movdiri MOVDIRI
pclmulqdq CLMUL  popcnt POPCNT  rdrand RDRAND  rdseed RDSEED  serialize SERIALIZE  sha_ni SHA  sm3 SM3_X86  sm4 SM4_X86
sse SSE  sse2 SSE2  sse3 SSE3  sse4_1 SSE4  sse4_2 SSE42  sse4a SSE4A  ssse3 SSSE3  tbm TBM  vaes VAES
vpclmulqdq VPCLMULQDQ  waitpkg WAITPKG  xop XOP  xsave XSAVE  xsavec XSAVEC  xsaveopt XSAVEOPT
"""
# Of Arm's features, those that NFD has no name for (it has all others under Linux's, in capital letters).
_ARM_UNNAMED = {"f8cvt", "f8dp2", "f8dp4", "f8e4m3", "f8e5m2", "f8fma", "faminmax", "fpmr", "ls64", "lut", "sme2"}


@functools.cache
def x86_flags() -> Mapping[str, str]:
    """Linux's name -> NFD's."""
    words = _X86_FLAGS.split()
    return dict(zip(words[::2], words[1::2], strict=True))


def nfd_flag(feature: str, family: str) -> str:
    """NFD's name in `cpu.cpuid` of a feature under archspec's name; "" where it has none."""
    if family == "x86_64":
        return x86_flags().get(feature, "")
    return "" if feature in _ARM_UNNAMED or family != "aarch64" else feature.upper()


def features_of(target: Target) -> frozenset[str]:
    """What code for the target may use. Ours where archspec here knows the name: builders' archspecs differ, and only
    the name was meant to be read back. Without it, the builder's. POWER has none: its generations are what counts."""
    known = _known(target.name)
    return frozenset(known.features) if known is not None else target.features


def family_of(target: Target) -> str:
    """The instruction set: `x86_64`, `aarch64`, …; "" where that can't be told."""
    for name in (target.name, *target.parents):
        known = _known(name)
        if known is not None:
            return str(known.family.name)
    return ""


def is_known(target: Target) -> bool:
    return _known(target.name) is not None


def is_level(target: Target) -> bool:
    """Whether it is a generic level, for which any vendor's CPU will do."""
    return target.vendor == "generic"


def outermost(targets: Collection[Target]) -> tuple[Target, ...]:
    """Without those that another of them is built upon: what runs code for zen3 runs code for x86_64_v3."""
    names = {each.name for each in targets}
    below = {name for each in names for name in _ancestors(each)}
    kept = {each.name: each for each in targets if each.name not in below}
    return tuple(kept[name] for name in sorted(kept))


def _ancestors(name: str) -> set[str]:
    known = _known(name)
    return {each.name for each in known.ancestors} if known is not None else set()


def _known(name: str) -> Any:
    from archspec.cpu import TARGETS

    return TARGETS.get(name)
