#include "comm/local/channel.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace tandem {

namespace {

constexpr uint32_t kMagic = 0x746e646d;
/// How long the one who knows why a rank is gone (the monitor of its process) has to say so.
constexpr auto kCauseGrace = std::chrono::milliseconds(1000);

constexpr size_t kFdSpace = CMSG_SPACE(sizeof(int) * Channel::kMaxFds);

void attach_fds(msghdr& message, std::span<std::byte> space, std::span<const int> fds) {
  message.msg_control = space.data();
  message.msg_controllen = CMSG_SPACE(fds.size_bytes());
  cmsghdr* part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(fds.size_bytes());
  std::memcpy(CMSG_DATA(part), fds.data(), fds.size_bytes());
}

void take_fds(msghdr& message, std::vector<UniqueFd>* fds) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      UniqueFd owned(fd);
      if (fds) fds->push_back(std::move(owned));
    }
  }
}

}  // namespace

struct Channel::Header {
  uint32_t magic = kMagic;
  MessageKind kind{};
  uint32_t number = 0;  ///< of the message on this channel
  uint32_t fds = 0;
  uint64_t bytes = 0;
};

Channel::Channel(UniqueFd socket, int peer, std::shared_ptr<Control> control)
    : socket_(std::move(socket)), peer_(peer), control_(std::move(control)) {
  const int flags = fcntl(socket_.get(), F_GETFL);
  TANDEM_CHECK(flags >= 0 && fcntl(socket_.get(), F_SETFL, flags | O_NONBLOCK) == 0);
}

void Channel::send(MessageKind kind, std::span<const std::byte> bytes, std::span<const int> fds) {
  TANDEM_CHECK(bytes.size() <= kMaxBytes && fds.size() <= kMaxFds);
  Header header;
  header.kind = kind;
  header.number = sent_++;
  header.fds = static_cast<uint32_t>(fds.size());
  header.bytes = bytes.size();
  write_all(std::as_bytes(std::span(&header, 1)), fds);
  write_all(bytes, {});
}

Message Channel::receive(MessageKind kind) {
  Message message;
  Header header;
  read_all(std::as_writable_bytes(std::span(&header, 1)), &message.fds);
  if (header.magic != kMagic || header.kind != kind || header.number != received_ ||
      header.bytes > kMaxBytes || header.fds != message.fds.size()) {
    fail(ErrorCode::kInternal,
         "internal error: rank {} sent message {} of kind {} with {} bytes and {} descriptors "
         "where message {} of kind {} was due",
         peer_, header.number, static_cast<uint32_t>(header.kind), header.bytes, header.fds,
         received_, static_cast<uint32_t>(kind));
  }
  ++received_;
  message.bytes.resize(header.bytes);
  read_all(message.bytes, nullptr);
  return message;
}

void Channel::finish_sending() { shutdown(socket_.get(), SHUT_WR); }

void Channel::wait(Ready what) {
  std::array<pollfd, 2> watched = {};
  watched[0] = {socket_.get(), static_cast<short>(what == Ready::kRead ? POLLIN : POLLOUT), 0};
  watched[1] = {control_ ? control_->abort_event() : -1, POLLIN, 0};
  if (poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) {
    fail(ErrorCode::kInternal, "waiting for rank {}: {}", peer_, std::strerror(errno));
  }
  if (control_) control_->check();
}

void Channel::write_all(std::span<const std::byte> bytes, std::span<const int> fds) {
  if (control_) control_->check();
  alignas(cmsghdr) std::array<std::byte, kFdSpace> space;
  while (!bytes.empty()) {
    iovec part = {const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) attach_fds(message, space, fds);
    const ssize_t n = sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (n > 0) {
      bytes = bytes.subspan(static_cast<size_t>(n));
      fds = {};  // they travel with the first byte
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      wait(Ready::kWrite);
    } else if (n < 0 && errno != EINTR) {
      peer_is_gone();
    }
  }
}

void Channel::read_all(std::span<std::byte> bytes, std::vector<UniqueFd>* fds) {
  if (control_) control_->check();
  alignas(cmsghdr) std::array<std::byte, kFdSpace> space;
  while (!bytes.empty()) {
    iovec part = {bytes.data(), bytes.size()};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = space.data();
    message.msg_controllen = space.size();
    const ssize_t n = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    if (n > 0) {
      take_fds(message, fds);
      bytes = bytes.subspan(static_cast<size_t>(n));
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      wait(Ready::kRead);
    } else if (n == 0 || errno != EINTR) {
      peer_is_gone();
    }
  }
}

void Channel::peer_is_gone() {
  if (control_) control_->check();
  // Rank 0 closes the channel when it ends the group, or it is dead: nobody is left to complain to.
  if (peer_ == 0) fail(ErrorCode::kAborted, "rank 0 ended the group");
  if (control_) {
    control_->await_abort(kCauseGrace);
    control_->abort(ErrorCode::kRankFailure, fmt::format("rank {} closed its control channel ({})",
                                                         peer_, control_->progress(peer_)));
    control_->check();
  }
  fail(ErrorCode::kRankFailure, "rank {} closed its control channel", peer_);
}

}  // namespace tandem
