#include "base/memory_info.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <optional>

#include "base/check.h"

namespace tandem {
namespace {

std::optional<int64_t> parse_number(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return std::nullopt;
  text.remove_prefix(begin);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || value < 0) return std::nullopt;
  return value;
}

std::optional<int64_t> read_number(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return parse_number(line);  // "max" means no limit
}

/// The number behind `key` and a blank or colon in a file of one "key value" per line.
std::optional<int64_t> read_field(const std::string& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key) || line.size() <= key.size()) continue;
    if (line[key.size()] == ' ' || line[key.size()] == ':') {
      return parse_number(std::string_view(line).substr(key.size() + 1));
    }
  }
  return std::nullopt;
}

/// The names of one version's files.
struct GroupFiles {
  std::string mount;
  std::string limit;
  std::string current;
  std::string prefix;  ///< of memory.stat's fields that count the whole subtree
};

void take_group_limits(const std::string& root, const GroupFiles& files, std::string group,
                       AvailableMemory& least) {
  // A container may see its group's path of the host, below which nothing is mounted: those
  // folders are absent, and the walk up ends at the mount itself.
  while (true) {
    const std::string folder = files.mount + (group == "/" ? "" : group);
    const auto limit = read_number(root + folder + files.limit);
    const auto current = read_number(root + folder + files.current);
    if (limit && current) {
      const std::string stat = root + folder + "/memory.stat";
      const int64_t cache = read_field(stat, files.prefix + "inactive_file").value_or(0) +
                            read_field(stat, files.prefix + "active_file").value_or(0);
      const int64_t used = std::max<int64_t>(0, *current - cache);
      const int64_t left = std::max<int64_t>(0, *limit - used);
      if (left < least.bytes) least = {left, "control group limit " + folder + files.limit};
    }
    if (group.empty() || group == "/") return;
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

}  // namespace

AvailableMemory available_memory(const std::string& root) {
  AvailableMemory least{std::numeric_limits<int64_t>::max(), "nothing that could be read"};
  constexpr int64_t kMaxKib = std::numeric_limits<int64_t>::max() / 1024;
  if (const auto kib = read_field(root + "/proc/meminfo", "MemAvailable"); kib && *kib < kMaxKib) {
    least = {*kib * 1024, "MemAvailable of /proc/meminfo"};
  }
  const GroupFiles v2{"/sys/fs/cgroup", "/memory.max", "/memory.current", ""};
  const GroupFiles v1{"/sys/fs/cgroup/memory", "/memory.limit_in_bytes", "/memory.usage_in_bytes",
                      "total_"};
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "4:memory:/path", "0::/path"
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (line.starts_with("0::")) take_group_limits(root, v2, group, least);
    if (controllers.find(",memory,") != std::string::npos) {
      take_group_limits(root, v1, group, least);
    }
  }
  return least;
}

void require_memory(int64_t needed, std::string_view purpose, const AvailableMemory& available) {
  if (needed <= available.bytes) return;
  fail(ErrorCode::kResource,
       "not enough memory: {} needs {} ({} bytes), but {} leaves {} ({} bytes); free memory or use "
       "a smaller model, --max_seq_len or --max_batch",
       purpose, format_bytes(needed), needed, available.source, format_bytes(available.bytes),
       available.bytes);
}

std::string format_bytes(int64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes >= 1'000'000'000) return fmt::format("{:.1f} GB", value / 1e9);
  if (bytes >= 1'000'000) return fmt::format("{:.0f} MB", value / 1e6);
  if (bytes >= 1'000) return fmt::format("{:.0f} kB", value / 1e3);
  return fmt::format("{} bytes", bytes);
}

}  // namespace tandem
