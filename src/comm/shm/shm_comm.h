// DeviceComm over memory that all ranks of one host see: partial sums are produced where the others
// read them, so nothing is copied, and a meeting of the ranks is one barrier.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "comm/communicator.h"
#include "comm/local_ranks.h"

namespace tandem {

/// All ranks call it together. `host` and `backend` must outlive the result; the backend's memory
/// is host memory.
std::unique_ptr<DeviceComm> make_shm_comm(LocalRanks& host, Backend& backend,
                                          const DeviceCommSpec& spec);

}  // namespace tandem
