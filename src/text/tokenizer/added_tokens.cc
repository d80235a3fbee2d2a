#include "text/tokenizer/added_tokens.h"

#include <algorithm>

#include "text/tokenizer/unicode.h"
#include "text/tokenizer/utf8.h"

namespace tandem {
namespace {

bool touches_word(std::string_view text, size_t begin, size_t end) {
  return (begin > 0 && is_word(utf8_before(text, begin).code)) ||
         (end < text.size() && is_word(utf8_at(text, end).code));
}

size_t before_space(std::string_view text, size_t at, size_t limit) {
  while (at > limit) {
    const Utf8Char c = utf8_before(text, at);
    if (!is_white_space(c.code)) break;
    at -= c.size;
  }
  return std::max(at, limit);
}

size_t behind_space(std::string_view text, size_t at) {
  while (at < text.size() && is_white_space(utf8_at(text, at).code)) at += utf8_at(text, at).size;
  return at;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(const std::vector<AddedToken>& tokens) : tokens_(tokens) {
  nodes_.emplace_back();
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& content = tokens_[i].content;
    if (content.empty()) continue;
    begins_[static_cast<uint8_t>(content[0])] = true;
    uint32_t node = 0;
    for (const char c : content) {
      const std::pair<uint8_t, uint32_t> key{static_cast<uint8_t>(c), 0};
      auto& next = nodes_[node].next;
      const auto found = std::lower_bound(next.begin(), next.end(), key);
      if (found != next.end() && found->first == key.first) {
        node = found->second;
        continue;
      }
      const auto fresh = static_cast<uint32_t>(nodes_.size());
      next.insert(found, {key.first, fresh});
      nodes_.emplace_back();
      node = fresh;
    }
    nodes_[node].token = static_cast<int32_t>(i);
  }
}

AddedTokenMatcher::Match AddedTokenMatcher::longest_at(std::string_view text, size_t at) const {
  Match best;
  uint32_t node = 0;
  while (at < text.size()) {
    const auto byte = static_cast<uint8_t>(text[at]);
    const auto& next = nodes_[node].next;
    const auto found = std::lower_bound(next.begin(), next.end(), byte,
                                        [](const auto& a, uint8_t b) { return a.first < b; });
    if (found == next.end() || found->first != byte) break;
    node = found->second;
    ++at;
    if (nodes_[node].token >= 0) best = {at, nodes_[node].token};
  }
  return best;
}

size_t AddedTokenMatcher::next_candidate(std::string_view text, size_t at) const {
  while (at < text.size() && !begins_[static_cast<uint8_t>(text[at])]) ++at;
  return at;
}

void AddedTokenMatcher::split(std::string_view text, bool allow_special,
                              FunctionRef<void(TextPart)> emit) const {
  size_t done = 0;
  size_t at = 0;
  while ((at = next_candidate(text, at)) < text.size()) {
    const Match match = longest_at(text, at);
    if (match.token < 0) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = match.end;
    at = match.end;  // also when the match does not count: matches do not overlap
    const AddedToken& token = tokens_[static_cast<size_t>(match.token)];
    if (token.special && !allow_special) continue;
    if (token.single_word && touches_word(text, begin, end)) continue;
    if (token.lstrip) begin = before_space(text, begin, done);
    if (token.rstrip) end = behind_space(text, end);
    if (done < begin) emit({text.substr(done, begin - done), -1});
    emit({text.substr(begin, end - begin), token.id});
    done = end;
    at = std::max(at, end);
  }
  if (done < text.size()) emit({text.substr(done), -1});
}

}  // namespace tandem
