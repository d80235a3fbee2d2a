// The explicit list of devices and instruction sets.
#include "backend/cpu/cpu_backend.h"
#include "base/check.h"

namespace tandem {

std::vector<std::string> available_isas() { return cpu::present_isas(); }

std::unique_ptr<Backend> make_backend(const BackendOptions& options) {
  if (options.device == "cpu") return cpu::make_cpu_backend(options);
  if (options.device == "cuda" || options.device == "ascend") {
    unsupported("device '{}' is planned and not built into this program; present: cpu",
                options.device);
  }
  bad_input("unknown device '{}': use cpu, cuda or ascend", options.device);
}

}  // namespace tandem
