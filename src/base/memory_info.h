// How much memory the machine and the process's control group leave.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tandem {

struct AvailableMemory {
  int64_t bytes = 0;
  std::string source;  ///< "MemAvailable of /proc/meminfo" or the control group's file
};

/// The smaller of MemAvailable and what every memory limit of the control groups (v1 and v2, up to
/// the root) leaves. Page cache in the group counts as free: the kernel drops it first, and a
/// checkpoint that was just read fills it. `root` is put in front of every path, for tests. When
/// nothing can be read, bytes is INT64_MAX and source says so.
AvailableMemory available_memory(const std::string& root = "");

/// Throws Error(kResource) with both numbers when `needed` bytes for `purpose` ("the weights of 2
/// ranks") are more than `available`.
void require_memory(int64_t needed, std::string_view purpose, const AvailableMemory& available);

/// "13.5 GB" (decimal units, as checkpoints are advertised), "812 MB", "17 bytes".
std::string format_bytes(int64_t bytes);

}  // namespace tandem
