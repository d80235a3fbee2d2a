// Framed messages over a stream socket between two ranks of one host, with descriptors beside
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/unique_fd.h"
#include "comm/control.h"

namespace tandem {

/// What a message is for; both ends must agree.
enum class MessageKind : uint32_t { kHello = 1, kBroadcast, kGather, kShare };

struct Message {
  std::vector<std::byte> bytes;
  std::vector<UniqueFd> fds;
};

/// One end of a socket pair. Waits end by throwing when the group aborts or the peer is gone.
class Channel {
 public:
  /// Longer messages are refused on both ends.
  static constexpr uint64_t kMaxBytes = uint64_t{1} << 30;
  static constexpr size_t kMaxFds = 4;

  /// `socket` becomes non-blocking. `control` may be null until set_control().
  Channel(UniqueFd socket, int peer, std::shared_ptr<Control> control);
  void set_control(std::shared_ptr<Control> control) { control_ = std::move(control); }

  void send(MessageKind kind, std::span<const std::byte> bytes, std::span<const int> fds = {});
  /// The next message, which must be of this kind.
  Message receive(MessageKind kind);
  /// The peer reads the end of the stream after what was sent.
  void finish_sending();

 private:
  struct Header;
  enum class Ready { kRead, kWrite };
  void wait(Ready what);
  void write_all(std::span<const std::byte> bytes, std::span<const int> fds);
  void read_all(std::span<std::byte> bytes, std::vector<UniqueFd>* fds);
  [[noreturn]] void peer_is_gone();

  UniqueFd socket_;
  int peer_;
  std::shared_ptr<Control> control_;
  uint32_t sent_ = 0;
  uint32_t received_ = 0;
};

}  // namespace tandem
