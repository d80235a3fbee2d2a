// Sleeping on a 32-bit word that other processes see too.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace tandem {

/// Sleeps while `word` holds `expected`, at most `timeout`. May return early for no reason.
void futex_wait(const std::atomic<uint32_t>& word, uint32_t expected,
                std::chrono::nanoseconds timeout);
/// Wakes all that sleep on `word`.
void futex_wake_all(const std::atomic<uint32_t>& word);

/// One pause instruction of a spinning wait.
inline void spin_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace tandem
