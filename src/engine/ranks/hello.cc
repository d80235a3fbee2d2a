#include "engine/ranks/hello.h"

#include <array>
#include <cstring>

#include "base/check.h"

namespace tandem {

void send_hello(Channel& channel, const SharedMemory& memory, int abort_event,
                std::chrono::milliseconds heartbeat) {
  const int64_t interval = heartbeat.count();
  const std::array<int, 2> fds = {memory.fd(), abort_event};
  channel.send(MessageKind::kHello, std::as_bytes(std::span(&interval, 1)), fds);
}

Hello receive_hello(Channel& channel, int rank, int size) {
  Message message = channel.receive(MessageKind::kHello);
  int64_t interval = 0;
  TANDEM_CHECK(message.bytes.size() == sizeof(interval) && message.fds.size() == 2);
  std::memcpy(&interval, message.bytes.data(), sizeof(interval));
  auto memory = SharedMemory::map(std::move(message.fds[0]), Control::bytes(size));
  memory->close_fd();
  return {std::make_shared<Control>(std::move(memory), std::move(message.fds[1]), rank, size),
          std::chrono::milliseconds(interval)};
}

}  // namespace tandem
