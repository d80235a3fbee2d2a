#include "text/tokenizer/split.h"

#include <vector>

#include "base/check.h"

namespace tandem {
namespace {

void emit_range(Piece whole, size_t begin, size_t end, EmitPiece emit) {
  if (begin < end) emit({whole.text.substr(begin, end - begin), whole.at_start && begin == 0});
}

/// The behaviors that join stretches need all of them, as the rule looks both ways.
std::vector<Stretch> join(const std::vector<Stretch>& stretches, SplitBehavior behavior) {
  std::vector<Stretch> out;
  const auto size = static_cast<ptrdiff_t>(stretches.size());
  const bool backwards = behavior == SplitBehavior::kMergedWithNext;
  bool last_matched = false;
  for (ptrdiff_t i = 0; i < size; ++i) {
    const Stretch& next = stretches[static_cast<size_t>(backwards ? size - 1 - i : i)];
    const bool joins = behavior == SplitBehavior::kContiguous ? next.match == last_matched
                                                              : next.match && !last_matched;
    if (joins && !out.empty()) {
      (backwards ? out.back().begin : out.back().end) = backwards ? next.begin : next.end;
    } else {
      out.push_back(next);
    }
    last_matched = next.match;
  }
  if (backwards) return {out.rbegin(), out.rend()};
  return out;
}

}  // namespace

SplitBehavior parse_split_behavior(const JsonReader& reader, std::string_view key) {
  const std::string& name = reader.string(key);
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  unsupported(
      "{} is \"{}\"; expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous",
      reader.where(key), name);
}

void find_matches(const Regex& regex, std::string_view text, RegexScratch& scratch,
                  EmitStretch emit) {
  size_t done = 0;
  size_t from = 0;
  TextRange match;
  while (from <= text.size() && regex.find(text, from, scratch, match)) {
    if (done < match.begin) emit({done, match.begin, false});
    emit({match.begin, match.end, true});
    done = match.end;
    from = match.end;
    if (match.begin == match.end) {  // an empty match cuts, and the search goes on behind it
      if (from == text.size()) break;
      from += utf8_at(text, from).size;
    }
  }
  if (done < text.size()) emit({done, text.size(), false});
}

void split_at(Piece piece, SplitBehavior behavior, FindStretches find, EmitPiece emit) {
  if (behavior == SplitBehavior::kIsolated || behavior == SplitBehavior::kRemoved) {
    const bool removed = behavior == SplitBehavior::kRemoved;
    find([&](Stretch s) {
      if (!(removed && s.match)) emit_range(piece, s.begin, s.end, emit);
    });
    return;
  }
  std::vector<Stretch> stretches;
  find([&](Stretch s) { stretches.push_back(s); });
  for (const Stretch& s : join(stretches, behavior)) emit_range(piece, s.begin, s.end, emit);
}

}  // namespace tandem
