#include "cli/input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <system_error>

#include "base/check.h"
#include "cli/signals.h"

namespace tandem::cli {

namespace {

constexpr size_t kMostBytes = size_t{1} << 30;

/// Closes what it opened.
struct Source {
  int fd;
  bool own;
  ~Source() {
    if (own && fd >= 0) close(fd);
  }
};

}  // namespace

std::string read_source(const std::string& path) {
  const bool standard = path == "-";
  const Source source{standard ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC),
                      !standard};
  if (source.fd < 0) bad_input("\"{}\" cannot be read: {}", path, std::strerror(errno));
  std::string content;
  std::vector<char> part(size_t{1} << 16);
  while (true) {
    const ssize_t n = read(source.fd, part.data(), part.size());
    check_signals();  // one that came while this waited
    if (n == 0) return content;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) bad_input("\"{}\" cannot be read: {}", path, std::strerror(errno));
    content.append(part.data(), static_cast<size_t>(n));
    if (content.size() > kMostBytes)
      bad_input("\"{}\" is longer than {} bytes; use several files", path, kMostBytes);
  }
}

void for_each_json_line(
    const std::string& path,
    const std::function<void(const JsonReader& line, const std::string& where)>& each) {
  const std::string source = read_source(path);
  const std::string_view all = source;
  const std::string name = path == "-" ? "standard input" : path;
  int64_t number = 0;
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = std::min(all.find('\n', begin), all.size());
    const std::string_view line = all.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = fmt::format("{} line {}", name, number);
    const Json json = Json::parse(line, where);
    each(JsonReader(json, where), where);
  }
}

std::vector<int32_t> parse_ids(const std::string& text, std::string_view option) {
  if (text == "-" || text.starts_with('@')) {
    const std::string source = text == "-" ? text : text.substr(1);
    const std::string list = read_source(source);
    if (list.starts_with('@') || list == "-")
      bad_input("{}: {} holds \"{}\"; a list of ids is expected", option, source, list);
    return parse_ids(list, option);
  }
  if (const size_t at = text.find(",,"); at != std::string::npos) {
    bad_input("{}: \"{}\" has nothing between two commas", option,
              text.substr(at < 20 ? 0 : at - 20, 40));
  }
  constexpr std::string_view kBetween = ", \t\r\n";
  std::vector<int32_t> ids;
  size_t at = text.find_first_not_of(kBetween);
  while (at != std::string::npos) {
    const size_t end = std::min(text.find_first_of(kBetween, at), text.size());
    int32_t id = 0;
    const auto parsed = std::from_chars(text.data() + at, text.data() + end, id);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + end || id < 0) {
      bad_input("{}: \"{}\" is no id; expected numbers from 0 on, separated by commas", option,
                text.substr(at, std::min<size_t>(end - at, 40)));
    }
    ids.push_back(id);
    at = text.find_first_not_of(kBetween, end);
    const std::string_view gap = std::string_view(text).substr(end, at - end);
    if (std::count(gap.begin(), gap.end(), ',') > 1)
      bad_input("{}: nothing stands between two commas after {}", option, id);
  }
  return ids;
}

std::vector<int32_t> parse_ids_json(const Json& list, const std::string& where) {
  if (!list.is_array()) bad_input("{} is {}; a list of ids is expected", where, list.kind());
  std::vector<int32_t> ids;
  for (const Json& id : list.array()) {
    if (!id.is_int() || id.integer() < 0 || id.integer() > std::numeric_limits<int32_t>::max()) {
      bad_input("{}: {} is no id; expected numbers from 0 on", where, id.dump().substr(0, 40));
    }
    ids.push_back(static_cast<int32_t>(id.integer()));
  }
  return ids;
}

}  // namespace tandem::cli
