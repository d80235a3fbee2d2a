#include "diag/op_times.h"

#include <algorithm>

namespace tandem {
namespace {

OpTime& find(std::vector<OpTime>& kinds, const std::string& name) {
  const auto found = std::find_if(kinds.begin(), kinds.end(),
                                  [&name](const OpTime& one) { return one.name == name; });
  if (found != kinds.end()) return *found;
  kinds.push_back({name, 0, 0});
  return kinds.back();
}

void add(OpTimes& sum, const std::vector<RankReport>& reports, double factor) {
  const double scale = factor / static_cast<double>(reports.size());
  for (const RankReport& rank : reports) {
    for (const OpTime& one : rank.ops) {
      OpTime& to = find(sum.kinds, one.name);
      to.prefill_s += scale * one.prefill_s;
      to.decode_s += scale * one.decode_s;
    }
  }
}

double share(const OpTimes& times, const std::string& kind, double OpTime::*phase) {
  double part = 0, all = 0;
  for (const OpTime& one : times.kinds) {
    all += one.*phase;
    if (one.name == kind) part += one.*phase;
  }
  return all > 0 ? part / all : 0;
}

}  // namespace

OpTimes op_times_between(const std::vector<RankReport>& before,
                         const std::vector<RankReport>& after) {
  OpTimes times;
  add(times, after, 1);
  add(times, before, -1);
  times.prefill_passes = after.front().prefill_passes - before.front().prefill_passes;
  times.decode_passes = after.front().decode_passes - before.front().decode_passes;
  return times;
}

void add(OpTimes& sum, const OpTimes& more) {
  for (const OpTime& one : more.kinds) {
    OpTime& to = find(sum.kinds, one.name);
    to.prefill_s += one.prefill_s;
    to.decode_s += one.decode_s;
  }
  sum.prefill_passes += more.prefill_passes;
  sum.decode_passes += more.decode_passes;
}

double decode_share(const OpTimes& times, const std::string& kind) {
  return share(times, kind, &OpTime::decode_s);
}

double prefill_share(const OpTimes& times, const std::string& kind) {
  return share(times, kind, &OpTime::prefill_s);
}

}  // namespace tandem
