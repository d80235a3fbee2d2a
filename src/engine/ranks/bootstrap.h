// Making the pieces from which ranks build their LocalHostComm.
#pragma once

#include <memory>
#include <utility>

#include "base/unique_fd.h"
#include "comm/local/local_host.h"

namespace tandem {

/// Two connected stream sockets, closed on exec.
std::pair<UniqueFd, UniqueFd> make_socket_pair();
/// An eventfd for Control, closed on exec.
UniqueFd make_abort_event();
UniqueFd duplicate(const UniqueFd& fd);

}  // namespace tandem
