// Proof at start-up that the collective works between these very ranks, before weights load.
#pragma once

#include <chrono>

#include "backend/backend.h"
#include "comm/communicator.h"

namespace tandem {

/// Runs real all_reduces (several uneven trees, both schedules where the sizes allow) and
/// all_gathers of known numbers; all ranks call it together. A rank that does not come within
/// `limit`, or any wrong number, aborts the group with Error(kRankFailure) that names the rank.
void self_test(HostComm& host, DeviceComm& comm, Backend& backend, const DeviceCommSpec& spec,
               std::chrono::milliseconds limit);

}  // namespace tandem
