// The first message to a worker process: the control page and how to behave.
#pragma once

#include <chrono>
#include <memory>

#include "comm/control.h"
#include "comm/local/channel.h"

namespace tandem {

struct Hello {
  std::shared_ptr<Control> control;
  std::chrono::milliseconds heartbeat{0};
};

/// On rank 0. `memory` is a memfd, `abort_event` the group's.
void send_hello(Channel& channel, const SharedMemory& memory, int abort_event,
                std::chrono::milliseconds heartbeat);
/// On worker `rank`. Throws when rank 0 is gone.
Hello receive_hello(Channel& channel, int rank, int size);

}  // namespace tandem
