"""The flags of `cpu.cpuid` under NFD's names: x86 by the CPUID instruction or /proc/cpuinfo, Arm, POWER.

NFD takes the x86 flags from the Go library klauspost/cpuid, which adds conditions of its own: what needs the
operating system's support (AVX, AVX-512, AMX) counts only where the system has switched it on. That can be read
from Linux's own flags: the kernel takes those away that it does not support.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

Registers = tuple[int, int, int, int]
"""What CPUID answers: eax, ebx, ecx, edx."""
Cpuid = Callable[[int, int], Registers]
"""The CPUID instruction: leaf, subleaf -> registers."""

# NFD's name, CPUID leaf, subleaf, register, bit; Linux's name of the same flag in /proc/cpuinfo, or "-" where that
# file does not tell; what it depends on: the operating system's support for avx or avx512, another flag, or
# the vendor. A flag with several lines is there if any of them says so. (Intel SDM vol. 2A, CPUID; AMD APM vol. 3,
# appendix E.)
X86_TABLE = """
ADX                 7          0 ebx 19 adx
AESNI               1          0 ecx 25 aes
AMD3DNOW            0x80000001 0 edx 31 3dnow
AMD3DNOWEXT         0x80000001 0 edx 30 3dnowext
AMXBF16             7          0 edx 22 amx_bf16            avx512
AMXCOMPLEX          7          1 edx 8  amx_complex
AMXFP16             7          1 eax 21 amx_fp16            avx512
AMXINT8             7          0 edx 25 amx_int8            avx512
AMXTILE             7          0 edx 24 amx_tile            avx512
APX_F               7          1 edx 21 apx
AVX                 1          0 ecx 28 avx                 avx
AVX10               7          1 edx 19 -
AVX10_128           0x24       0 ebx 16 -                   AVX10
AVX10_256           0x24       0 ebx 17 -                   AVX10
AVX10_512           0x24       0 ebx 18 -                   AVX10
AVX2                7          0 ebx 5  avx2                AVX
AVX512BF16          7          1 eax 5  avx512_bf16         avx512
AVX512BITALG        7          0 ecx 12 avx512_bitalg       avx512
AVX512BW            7          0 ebx 30 avx512bw            avx512
AVX512CD            7          0 ebx 28 avx512cd            avx512
AVX512DQ            7          0 ebx 17 avx512dq            avx512
AVX512ER            7          0 ebx 27 avx512er            avx512
AVX512F             7          0 ebx 16 avx512f             avx512
AVX512FP16          7          0 edx 23 avx512_fp16         avx512
AVX512IFMA          7          0 ebx 21 avx512ifma          avx512
AVX512PF            7          0 ebx 26 avx512pf            avx512
AVX512VBMI          7          0 ecx 1  avx512vbmi          avx512
AVX512VBMI2         7          0 ecx 6  avx512_vbmi2        avx512
AVX512VL            7          0 ebx 31 avx512vl            avx512
AVX512VNNI          7          0 ecx 11 avx512_vnni         avx512
AVX512VP2INTERSECT  7          0 edx 8  avx512_vp2intersect avx512
AVX512VPOPCNTDQ     7          0 ecx 14 avx512_vpopcntdq    avx512
AVXIFMA             7          1 eax 23 avx_ifma
AVXNECONVERT        7          1 edx 5  avx_ne_convert
AVXVNNI             7          1 eax 4  avx_vnni            AVX
AVXVNNIINT16        7          1 edx 10 avx_vnni_int16
AVXVNNIINT8         7          1 edx 4  avx_vnni_int8
BHI_CTRL            7          2 edx 4  -
BMI1                7          0 ebx 3  bmi1
BMI2                7          0 ebx 8  bmi2                BMI1
CETIBT              7          0 edx 20 -
CETSS               7          0 ecx 7  -
CLDEMOTE            7          0 ecx 25 cldemote
CLMUL               1          0 ecx 1  pclmulqdq
CLZERO              0x80000008 0 ebx 0  clzero
CMOV                1          0 edx 15 cmov
CMPCCXADD           7          1 eax 7  cmpccxadd
CMPSB_SCADBS_SHORT  7          1 eax 12 -
CMPXCHG8            1          0 edx 8  cx8
CPBOOST             0x80000007 0 edx 9  cpb
CPPC                0x80000008 0 ebx 27 cppc
CX16                1          0 ecx 13 cx16
EFER_LMSLE_UNS      0x80000008 0 ebx 20 -
ENQCMD              7          0 ecx 29 enqcmd
ERMS                7          0 ebx 9  erms
F16C                1          0 ecx 29 f16c
FLUSH_L1D           7          0 edx 28 flush_l1d
FMA3                1          0 ecx 12 fma                 OSXSAVE
FMA4                0x80000001 0 ecx 16 fma4                AVX
FP128               0x8000001a 0 eax 0  -
FP256               0x8000001a 0 eax 2  -
FSRM                7          0 edx 4  fsrm
FXSR                1          0 edx 24 fxsr
FXSR                0x80000001 0 edx 24 -
FXSROPT             0x80000001 0 edx 25 fxsr_opt
FXSROPT             1          0 edx 25 sse
GFNI                7          0 ecx 8  gfni
HLE                 7          0 ebx 4  hle
HRESET              7          1 eax 22 -
HWA                 0x80000007 0 ebx 2  -
HYBRID_CPU          7          0 edx 15 hybrid_cpu
HYPERVISOR          1          0 ecx 31 hypervisor
IA32_ARCH_CAP       7          0 edx 29 arch_capabilities
IA32_CORE_CAP       7          0 edx 30 core_capabilities
IBPB                0x80000008 0 ebx 12 ibpb
IBPB                7          0 edx 26 -
IBPB_BRTYPE         0x80000021 0 eax 28 -                   AMD
IBRS                0x80000008 0 ebx 14 ibrs                AMD
IBRS_PREFERRED      0x80000008 0 ebx 18 -
IBRS_PROVIDES_SMP   0x80000008 0 ebx 19 -
IBS                 0x80000001 0 ecx 10 ibs
IBSBRNTRGT          0x8000001b 0 eax 5  -                   IBS
IBSFETCHSAM         0x8000001b 0 eax 1  -                   IBS
IBSFFV              0x8000001b 0 eax 0  -                   IBS
IBSOPCNT            0x8000001b 0 eax 4  -                   IBS
IBSOPCNTEXT         0x8000001b 0 eax 6  -                   IBS
IBSOPSAM            0x8000001b 0 eax 2  -                   IBS
IBSRDWROPCNT        0x8000001b 0 eax 3  -                   IBS
IBSRIPINVALIDCHK    0x8000001b 0 eax 7  -                   IBS
IBS_FETCH_CTLX      0x8000001b 0 eax 9  -                   IBS
IBS_OPDATA4         0x8000001b 0 eax 10 -                   IBS
IBS_OPFUSE          0x8000001b 0 eax 8  -                   IBS
IBS_PREVENTHOST     0x8000001f 0 eax 15 -                   AMD
IBS_ZEN4            0x8000001b 0 eax 11 -                   IBS
IDPRED_CTRL         7          2 edx 1  -
INT_WBINVD          0x80000008 0 ebx 13 wbinvd_int
INVLPGB             0x80000008 0 ebx 3  invlpgb
KEYLOCKER           7          0 ecx 23 -
LAHF                0x80000001 0 ecx 0  lahf_lm
LAM                 7          1 eax 26 lam
LBRVIRT             0x8000000a 0 edx 1  lbrv                SVM
LZCNT               0x80000001 0 ecx 5  abm
MCAOVERFLOW         0x80000007 0 ebx 0  overflow_recov
MCDT_NO             7          2 edx 5  -
MCOMMIT             0x80000008 0 ebx 8  -
MD_CLEAR            7          0 edx 10 md_clear
MMX                 1          0 edx 23 mmx
MMX                 0x80000001 0 edx 23 -
MMXEXT              0x80000001 0 edx 22 mmxext
MOVBE               1          0 ecx 22 movbe
MOVDIR64B           7          0 ecx 28 movdir64b
MOVDIRI             7          0 ecx 27 movdiri
MOVSB_ZL            7          1 eax 10 -
MOVU                0x8000001a 0 eax 1  -
MPX                 7          0 ebx 14 mpx
MSRIRC              0x80000008 0 ebx 1  irperf
MSRLIST             7          1 eax 27 -                   avx512
MSR_PAGEFLUSH       0x8000001f 0 eax 2  -                   AMD
NRIPS               0x8000000a 0 edx 3  nrip_save           SVM
NX                  0x80000001 0 edx 20 nx
OSXSAVE             1          0 ecx 27 xsave
PCONFIG             7          0 edx 18 pconfig
POPCNT              1          0 ecx 23 popcnt
POPCNT              0x80000001 0 ecx 5  -
PPIN                0x80000008 0 ebx 23 amd_ppin
PREFETCHI           7          1 edx 14 -
PSFD                0x80000008 0 ebx 28 -
PSFD                7          2 edx 0  -
RDPRU               0x80000008 0 ebx 4  rdpru
RDRAND              1          0 ecx 30 rdrand
RDSEED              7          0 ebx 18 rdseed
RDTSCP              0x80000001 0 edx 27 rdtscp
RRSBA_CTRL          7          2 edx 2  -
RTM                 7          0 ebx 11 rtm
RTM_ALWAYS_ABORT    7          0 edx 11 rtm_always_abort
SBPB                0x80000021 0 eax 27 -                   AMD
SERIALIZE           7          0 edx 14 serialize
SEV                 0x8000001f 0 eax 1  sev                 AMD
SEV_64BIT           0x8000001f 0 eax 11 -                   AMD
SEV_ALTERNATIVE     0x8000001f 0 eax 13 -                   AMD
SEV_DEBUGSWAP       0x8000001f 0 eax 14 debug_swap          AMD
SEV_ES              0x8000001f 0 eax 3  sev_es              AMD
SEV_RESTRICTED      0x8000001f 0 eax 12 -                   AMD
SEV_SNP             0x8000001f 0 eax 4  sev_snp             AMD
SGX                 7          0 ebx 2  sgx
SGXLC               7          0 ecx 30 sgx_lc
SGXPQC              0x12       0 eax 12 -                   SGX
SHA                 7          0 ebx 29 sha_ni
SM3_X86             7          1 eax 1  sm3
SM4_X86             7          1 eax 2  sm4
SME                 0x8000001f 0 eax 0  sme                 AMD
SME_COHERENT        0x8000001f 0 eax 10 -                   AMD
SPEC_CTRL_SSBD      0x80000008 0 ebx 24 ssbd
SPEC_CTRL_SSBD      7          0 edx 31 -
SRBDS_CTRL          7          0 edx 9  -
SRSO_MSR_FIX        0x80000021 0 eax 31 -                   AMD
SRSO_NO             0x80000021 0 eax 29 -                   AMD
SRSO_USER_KERNEL_NO 0x80000021 0 eax 30 -                   AMD
SSE                 1          0 edx 25 sse
SSE2                1          0 edx 26 sse2
SSE3                1          0 ecx 0  pni
SSE4                1          0 ecx 19 sse4_1
SSE42               1          0 ecx 20 sse4_2
SSE4A               0x80000001 0 ecx 6  sse4a
SSSE3               1          0 ecx 9  ssse3
STIBP               0x80000008 0 ebx 15 stibp
STIBP               7          0 edx 27 -
STIBP_ALWAYSON      0x80000008 0 ebx 17 -
STOSB_SHORT         7          1 eax 11 -
SUCCOR              0x80000007 0 ebx 1  succor
SVM                 0x80000001 0 ecx 2  svm
SVMDA               0x8000000a 0 edx 7  decodeassists       SVM
SVMFBASID           0x8000000a 0 edx 6  flushbyasid         SVM
SVML                0x8000000a 0 edx 2  svm_lock            SVM
SVMNP               0x8000000a 0 edx 0  npt                 SVM
SVMPF               0x8000000a 0 edx 10 pausefilter         SVM
SVMPFT              0x8000000a 0 edx 12 pfthreshold         SVM
SYSCALL             0x80000001 0 edx 11 syscall
SYSEE               1          0 edx 11 sep
TBM                 0x80000001 0 ecx 21 tbm
TLB_FLUSH_NESTED    0x80000008 0 ebx 21 -
TME                 7          0 ecx 13 tme
TOPEXT              0x80000001 0 ecx 22 topoext
TSA_L1_NO           0x80000021 0 ecx 1  -                   AMD
TSA_SQ_NO           0x80000021 0 ecx 2  -                   AMD
TSA_VERW_CLEAR      0x80000021 0 eax 5  -                   AMD
TSCRATEMSR          0x8000000a 0 edx 4  tsc_scale           SVM
TSXLDTRK            7          0 edx 16 tsxldtrk
VAES                7          0 ecx 9  vaes
VMCBCLEAN           0x8000000a 0 edx 5  vmcb_clean          SVM
VMPL                0x8000001f 0 eax 5  -                   AMD
VMSA_REGPROT        0x8000001f 0 eax 24 -                   AMD
VMX                 1          0 ecx 5  vmx
VPCLMULQDQ          7          0 ecx 10 vpclmulqdq
VTE                 0x8000001f 0 eax 16 -                   AMD
WAITPKG             7          0 ecx 5  waitpkg
WBNOINVD            0x80000008 0 ebx 9  wbnoinvd
WRMSRNS             7          1 eax 19 -                   avx512
X87                 1          0 edx 0  fpu
XGETBV1             0xd        1 eax 2  xgetbv1             XSAVE
XOP                 0x80000001 0 ecx 11 xop                 AVX
XSAVE               1          0 ecx 26 xsave
XSAVEC              0xd        1 eax 1  xsavec              XSAVE
XSAVEOPT            0xd        1 eax 0  xsaveopt            XSAVE
XSAVES              0xd        1 eax 3  xsaves              XSAVE
"""

# x86-64 psABI, "micro-architecture levels": what each adds to the one before it.
_LEVELS = {
    "X86_64_V1": "CMOV CMPXCHG8 X87 FXSR MMX SYSCALL SSE SSE2",
    "X86_64_V2": "CX16 LAHF POPCNT SSE3 SSE4 SSE42 SSSE3",
    "X86_64_V3": "AVX AVX2 BMI1 BMI2 F16C FMA3 LZCNT MOVBE OSXSAVE",
    "X86_64_V4": "AVX512F AVX512BW AVX512CD AVX512DQ AVX512VL",
}

# NFD's names of AT_HWCAP and AT_HWCAP2 on Arm, from bit 0 on (Linux, arch/arm64/include/uapi/asm/hwcap.h). Linux has
# the same names in small letters in /proc/cpuinfo; those that it added later NFD does not know.
ARM_FLAGS = """
FP ASIMD EVTSTRM AES PMULL SHA1 SHA2 CRC32 ATOMICS FPHP ASIMDHP CPUID ASIMDRDM JSCVT FCMA LRCPC DCPOP SHA3 SM3 SM4
ASIMDDP SHA512 SVE ASIMDFHM DIT USCAT ILRCPC FLAGM SSBS SB PACA PACG
DCPODP SVE2 SVEAES SVEPMULL SVEBITPERM SVESHA3 SVESM4 FLAGM2 FRINT SVEI8MM SVEF32MM SVEF64MM SVEBF16 I8MM BF16 DGH RNG
BTI MTE ECV AFP RPRES MTE3 SME SMEI16I64 SMEF64F64 SMEI8I32 SMEF16F32 SMEB16F32 SMEF32F32 SMEFA64 WFXT EBF16 SVEEBF16
"""

# NFD's names of AT_HWCAP and AT_HWCAP2 on POWER, from bit 31 down (Linux, arch/powerpc/include/uapi/asm/cputable.h).
_POWER_HWCAP = """
PPC32 PPC64 PPC601 ALTIVEC FPU MMU 4xxMAC UCACHE SPE EFPFLOAT EFPDOUBLE NOTB POWER4 POWER5 POWER5+ CELLBE BOOKE SMT
IC_SNOOP ARCH_2_05 PA6T DFP POWER6X ARCH_2_06 VSX ARCHPMU - - - - TRUE_LE PPCLE
"""
_POWER_HWCAP2 = """
ARCH_2_07 HTM DSCR EBB ISEL TAR VCRYPTO HTM-NOSC ARCH_3_00 IEEE128 DARN SCV HTM-NO-SUSPEND ARCH_3_1 MMA
"""
_AT_HWCAP, _AT_HWCAP2 = 16, 26


class X86:
    """One x86 processor: by `cpuid` where the instruction can be run, else from Linux's flags alone.

    `linux`: the flags of /proc/cpuinfo. `vendor`: NFD's name of the vendor. `threads`: whether a core runs several.
    """

    def __init__(
        self, linux: Collection[str], vendor: str, family: int, model: int, threads: bool, cpuid: Cpuid | None
    ) -> None:
        self.linux = frozenset(linux)
        self.vendor = vendor
        self.family = family
        self.model = model
        self.threads = threads
        self._cpuid = cpuid
        self._answers: dict[tuple[int, int], Registers] = {}

    def answer(self, leaf: int, subleaf: int = 0) -> Registers:
        """The registers, all zero for a leaf that the processor doesn't have and where CPUID can't be run."""
        if self._cpuid is None:
            return (0, 0, 0, 0)
        if (leaf, subleaf) not in self._answers:
            base = leaf & 0xF0000000
            has = leaf == base or leaf <= self.answer(base)[0]
            self._answers[leaf, subleaf] = self._cpuid(leaf, subleaf) if has else (0, 0, 0, 0)
        return self._answers[leaf, subleaf]

    def flags(self) -> frozenset[str]:
        """NFD's flags, with the levels X86_64_V1 to V4."""
        rows = [line.split() for line in X86_TABLE.strip().splitlines()]
        found = {name for name, *where in rows if self._is_set(where)}
        met = {
            "avx": "avx" in self.linux,
            "avx512": "avx512f" in self.linux,
            "AMD": self.vendor == "AMD",
        }
        needs = {row[0]: row[6] for row in rows if len(row) > 6}
        for _ in range(2):  # no need depends on more than one other
            found -= {name for name in found if name in needs and not met.get(needs[name], needs[name] in found)}
        found |= self._computed(found)
        needed: set[str] = set()
        for level, added in _LEVELS.items():
            needed |= set(added.split())
            if needed <= found:
                found.add(level)
        return frozenset(found)

    def avx10_version(self) -> int:
        """0 without AVX10."""
        return self.answer(0x24)[1] & 0xFF if self.answer(7, 1)[3] >> 19 & 1 else 0

    def _is_set(self, row: list[str]) -> bool:
        leaf, subleaf, register, bit, linux = row[:5]
        if self._cpuid is None:
            return linux in self.linux
        answer = self.answer(int(leaf, 0), int(subleaf))
        return bool(answer[("eax", "ebx", "ecx", "edx").index(register)] >> int(bit) & 1)

    def _computed(self, found: Collection[str]) -> set[str]:
        """Flags that are no bit of CPUID."""
        amd_before_tsa = self.vendor == "AMD" and (
            # AMD, "Guidance for mitigating transient scheduler attacks": not vulnerable, but without the bits.
            self.family < 0x19 or (self.family == 0x1A and (self.model <= 0x4F or 0x60 <= self.model <= 0x7F))
        )
        slow = (self.vendor == "Intel" and self.family == 6 and self.model < 60) or (
            self.vendor == "AMD" and (self.family, self.model) < (23, 49)
        )
        computed = {
            "AVXSLOW": "AVX" in found and slow,
            "HTT": "ht" in self.linux and self.threads,
            "TDX_GUEST": "tdx_guest" in self.linux,
            "TSA_L1_NO": amd_before_tsa,
            "TSA_SQ_NO": amd_before_tsa,
        }
        return {name for name, there in computed.items() if there}


def arm_flags(linux: Collection[str]) -> frozenset[str]:
    """From the "Features" of /proc/cpuinfo."""
    return frozenset(ARM_FLAGS.split()) & {flag.upper() for flag in linux}


def power_flags(auxiliary: bytes) -> frozenset[str]:
    """From a process's auxiliary vector (/proc/PID/auxv, getauxval(3)): pairs of 64-bit words."""
    words = [int.from_bytes(auxiliary[at : at + 8], "little") for at in range(0, len(auxiliary) - 7, 8)]
    vector: Mapping[int, int] = dict(zip(words[::2], words[1::2], strict=False))
    found = {
        name
        for key, names in ((_AT_HWCAP, _POWER_HWCAP), (_AT_HWCAP2, _POWER_HWCAP2))
        for position, name in enumerate(names.split())
        if vector.get(key, 0) >> (31 - position) & 1
    }
    return frozenset(found - {"-"})
