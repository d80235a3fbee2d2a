// Which transport carries the activations.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "comm/communicator.h"

namespace tandem {

/// The transport for this backend and these ranks; all ranks call it together. Throws
/// Error(kUnsupported) when none fits, Error(kResource) when memory is refused.
std::unique_ptr<DeviceComm> make_device_comm(HostComm& host, Backend& backend,
                                             const DeviceCommSpec& spec);

}  // namespace tandem
