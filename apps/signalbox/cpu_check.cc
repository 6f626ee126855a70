// Says in words that the processor is too old, where the first instruction it does not know would only say SIGILL.
//
// Compiled for any x86-64 (see CMakeLists.txt) and run before every other initialiser, all of which may use what is
// checked here. Nothing of the C++ library for the same reason. Decision 5 tells why the build asks for these.
#include <unistd.h>

namespace {

[[gnu::constructor(101)]] void check_processor() {
  __builtin_cpu_init();
  const bool known = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                     __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma") &&
                     __builtin_cpu_supports("pclmul");
  if (known) return;
  constexpr char kText[] =
      "signalbox: this processor lacks AVX2, BMI, FMA or PCLMUL, which this build uses (x86-64-v3: Intel Haswell of "
      "2013, AMD Excavator of 2015, and later). Run it on a newer machine, or build it from source for this one: "
      "cmake --preset release -DSB_MARCH=-march=x86-64\n";
  (void)!write(STDERR_FILENO, kText, sizeof kText - 1);
  _exit(78);  // EX_CONFIG
}

}  // namespace
