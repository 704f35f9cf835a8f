#include "base/runtime.h"

namespace hew {

bool IsaAvailable(Isa isa) {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  switch (isa) {
    case Isa::kScalar:
      return true;
    case Isa::kAvx2:
      return avx2;
    case Isa::kAvx512:
      return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16");
  }
#endif
  return isa == Isa::kScalar;
}

Isa BestIsa() {
  if (IsaAvailable(Isa::kAvx512)) return Isa::kAvx512;
  return IsaAvailable(Isa::kAvx2) ? Isa::kAvx2 : Isa::kScalar;
}

std::string_view NameOf(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
  }
  return "scalar";
}

std::string_view NameOf(Precision precision) {
  switch (precision) {
    case Precision::kDefault:
      return "default";
    case Precision::kFp32:
      return "fp32";
    case Precision::kInt8:
      return "int8";
  }
  return "default";
}

std::optional<Precision> PrecisionFromName(std::string_view name) {
  for (Precision precision : {Precision::kDefault, Precision::kFp32, Precision::kInt8}) {
    if (NameOf(precision) == name) return precision;
  }
  return std::nullopt;
}

std::optional<Isa> IsaFromName(std::string_view name) {
  for (Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512}) {
    if (NameOf(isa) == name) return isa;
  }
  return std::nullopt;
}

}  // namespace hew
