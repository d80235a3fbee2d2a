#include "engine/ranks/bootstrap.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace tandem {

namespace {

UniqueFd checked(int fd) {
  if (fd < 0) {
    fail(ErrorCode::kResource, "cannot open a descriptor for the ranks: {}", std::strerror(errno));
  }
  return UniqueFd(fd);
}

}  // namespace

std::pair<UniqueFd, UniqueFd> make_socket_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) checked(-1);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

UniqueFd make_abort_event() { return checked(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

UniqueFd duplicate(const UniqueFd& fd) { return checked(fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)); }

}  // namespace tandem
