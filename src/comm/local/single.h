// The world of one rank: nothing travels and nothing is copied.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "comm/communicator.h"

namespace tandem {

std::unique_ptr<DeviceComm> make_single_comm(Backend& backend, const DeviceCommSpec& spec);

}  // namespace tandem
