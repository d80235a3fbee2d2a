#include "comm/registry.h"

#include "base/check.h"
#include "comm/local/single.h"
#include "comm/local_ranks.h"
#include "comm/shm/shm_comm.h"

namespace tandem {

namespace {

bool uses_host_memory(Backend& backend) { return backend.allocate(64)->host() != nullptr; }

}  // namespace

std::unique_ptr<DeviceComm> make_device_comm(HostComm& host, Backend& backend,
                                             const DeviceCommSpec& spec) {
  // In order of preference. A new transport is one line here and a folder beside local/ and shm/.
  if (host.size() == 1) return make_single_comm(backend, spec);
  auto* local = dynamic_cast<LocalRanks*>(&host);
  if (local && uses_host_memory(backend)) return make_shm_comm(*local, backend, spec);
  unsupported(
      "no transport joins {} ranks on device {}; available: one rank, or CPU ranks of one host",
      host.size(), backend.device());
}

}  // namespace tandem
