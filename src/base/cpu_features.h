// What instructions this machine offers to this process.
#pragma once

namespace tandem {

struct CpuFeatures {
  bool avx2 = false;         ///< AVX2, FMA and F16C
  bool avx512 = false;       ///< AVX-512 F, BW, VL and DQ
  bool avx512_vnni = false;  ///< vpdpbusd on 512 bits
  bool bf16_pairs = false;   ///< vdpbf16ps on 512 bits, rounding as dot_bf16.h says
  bool amd = false;          ///< made by AMD: which way of reading memory is fastest differs
  bool amx = false;          ///< AMX tiles with bfloat16 and int8, allowed by the kernel
};

/// Asks the processor and the operating system; for AMX it also requests the kernel's permission to
/// use tile registers (granted for the whole process, threads made later included).
CpuFeatures cpu_features();

/// Cores that this process may run on (its affinity mask), at least 1.
int usable_cores();

}  // namespace tandem
