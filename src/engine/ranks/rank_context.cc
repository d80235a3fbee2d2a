#include "engine/ranks/rank_context.h"

#include <fmt/format.h>

#include <exception>

#include "base/check.h"
#include "comm/registry.h"

namespace tandem {

std::unique_ptr<DeviceComm> RankContext::connect(Backend& backend, const DeviceCommSpec& spec) {
  return make_device_comm(*host_, backend, spec);
}

bool run_worker_body(RankContext& context, const WorkerBody& body) {
  Control& control = context.local().control();
  try {
    body(context);
    return true;
  } catch (const Error& error) {
    // An error that follows from an abort is everybody's, not this rank's own; abort() lets the
    // first reason stand.
    if (error.code() == ErrorCode::kAborted) return true;
    control.abort(error.code(), fmt::format("rank {}: {}", context.rank(), error.what()));
  } catch (const std::bad_alloc&) {
    control.abort(ErrorCode::kResource, fmt::format("rank {}: out of memory ({})", context.rank(),
                                                    control.progress(context.rank())));
  } catch (const std::exception& error) {
    control.abort(ErrorCode::kInternal, fmt::format("rank {}: {}", context.rank(), error.what()));
  }
  return false;
}

}  // namespace tandem
