// The worker's side of a rank process.
#pragma once

#include "engine/ranks/rank_context.h"
#include "tandem/model.h"

namespace tandem {

/// To be called first in main(). In a process that RankGroup::start_processes() made it runs `body`
/// and ends the process; anywhere else it returns at once, having noted that this program can be a
/// worker.
void run_if_worker(int argc, char** argv, const WorkerBody& body);

/// Whether run_if_worker() was called in this process.
bool can_start_workers();

/// The engine's worker: executes step plans until the group ends. Defined in engine/worker.cc.
WorkerBody worker_of(Families families);

}  // namespace tandem
