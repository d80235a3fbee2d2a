// SIGINT, SIGTERM and SIGHUP: end the run cleanly, at any phase.
#pragma once

#include "tandem/engine.h"

namespace tandem::cli {

/// From now on these signals are noted instead of ending the process at once.
void watch_signals();
/// Throws Error(kAborted) when one has come.
void check_signals();
/// They abort this engine from now on (nullptr: none).
void abort_on_signal(Engine* engine);
/// Besides, a byte is written to this descriptor when one comes (-1: none).
void wake_on_signal(int fd);
/// 130 for SIGINT, 128 + n for the others, 0 when none has come.
int signal_exit_code();

}  // namespace tandem::cli
