// Ranks of one host: what a transport over shared memory asks of its HostComm.
#pragma once

#include <memory>

#include "base/shared_memory.h"
#include "comm/communicator.h"
#include "comm/control.h"

namespace tandem {

class LocalRanks : public HostComm {
 public:
  virtual Control& control() = 0;
  /// The same `bytes` zeros for every rank; all ranks call it together. Throws Error(kResource)
  /// when the system refuses.
  virtual std::shared_ptr<SharedMemory> share_memory(size_t bytes) = 0;
};

}  // namespace tandem
