#include "comm/local/local_host.h"

#include <array>
#include <cstring>

#include "base/check.h"

namespace tandem {

LocalHostComm::LocalHostComm(std::shared_ptr<Control> control, std::vector<Channel> channels,
                             std::shared_ptr<ShareSlot> slot)
    : control_(std::move(control)), channels_(std::move(channels)), slot_(std::move(slot)) {
  const size_t peers = rank() == 0 ? static_cast<size_t>(size()) - 1 : 1;
  TANDEM_CHECK(channels_.size() == peers);
}

void LocalHostComm::broadcast(std::vector<std::byte>& bytes) {
  if (rank() != 0) {
    bytes = channels_[0].receive(MessageKind::kBroadcast).bytes;
    return;
  }
  control_->check();  // in a world of one no channel would notice an abort
  for (Channel& channel : channels_) channel.send(MessageKind::kBroadcast, bytes);
}

std::vector<std::vector<std::byte>> LocalHostComm::gather(std::span<const std::byte> bytes) {
  std::vector<std::vector<std::byte>> all;
  if (rank() != 0) {
    channels_[0].send(MessageKind::kGather, bytes);
    return all;
  }
  all.emplace_back(bytes.begin(), bytes.end());
  for (Channel& channel : channels_) {
    all.push_back(channel.receive(MessageKind::kGather).bytes);
  }
  return all;
}

void LocalHostComm::barrier() {
  gather({});
  std::vector<std::byte> nothing;
  broadcast(nothing);
}

void LocalHostComm::finish_sending() {
  for (Channel& channel : channels_) channel.finish_sending();
}

std::shared_ptr<SharedMemory> LocalHostComm::share_memory(size_t bytes) {
  if (size() == 1) return SharedMemory::anonymous(bytes);
  return slot_ ? share_by_slot(bytes) : share_by_memfd(bytes);
}

std::shared_ptr<SharedMemory> LocalHostComm::share_by_memfd(size_t bytes) {
  const uint64_t length = bytes;
  if (rank() != 0) {
    Message message = channels_[0].receive(MessageKind::kShare);
    uint64_t announced = 0;
    TANDEM_CHECK(message.bytes.size() == sizeof(announced) && message.fds.size() == 1);
    std::memcpy(&announced, message.bytes.data(), sizeof(announced));
    TANDEM_CHECK(announced == length);
    std::shared_ptr<SharedMemory> memory = SharedMemory::map(std::move(message.fds[0]), bytes);
    memory->close_fd();
    return memory;
  }
  std::shared_ptr<SharedMemory> memory = SharedMemory::memfd(bytes);
  const std::array<int, 1> fds = {memory->fd()};
  for (Channel& channel : channels_) {
    channel.send(MessageKind::kShare, std::as_bytes(std::span(&length, 1)), fds);
  }
  memory->close_fd();
  return memory;
}

std::shared_ptr<SharedMemory> LocalHostComm::share_by_slot(size_t bytes) {
  std::vector<std::byte> announcement(sizeof(uint64_t));
  std::shared_ptr<SharedMemory> memory;
  if (rank() == 0) {
    memory = SharedMemory::anonymous(bytes);
    const std::lock_guard lock(slot_->mutex);
    slot_->memory = memory;
  }
  broadcast(announcement);
  if (rank() != 0) {
    const std::lock_guard lock(slot_->mutex);
    memory = slot_->memory;
    TANDEM_CHECK(memory && memory->bytes() == bytes);
  }
  barrier();  // nobody replaces it before all have it
  if (rank() == 0) {
    const std::lock_guard lock(slot_->mutex);
    slot_->memory.reset();
  }
  return memory;
}

}  // namespace tandem
