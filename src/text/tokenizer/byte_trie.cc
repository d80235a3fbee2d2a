#include "text/tokenizer/byte_trie.h"

namespace tandem {

void ByteTrie::rehash(size_t size) {
  std::vector<Edge> old(size);
  old.swap(edges_);
  for (const Edge& edge : old) {
    if (edge.key == 0) continue;
    size_t at = place(edge.key);
    while (edges_[at].key != 0) at = (at + 1) & (size - 1);
    edges_[at] = edge;
  }
}

void ByteTrie::add(std::string_view key, int32_t value) {
  uint32_t node = 0;
  for (const char c : key) {
    uint32_t next = child(node, static_cast<uint8_t>(c));
    if (next == kNone) {
      if (values_.size() * 2 > edges_.size()) rehash(edges_.size() * 2);
      next = static_cast<uint32_t>(values_.size());
      values_.push_back(-1);
      const uint64_t edge = key_of(node, static_cast<uint8_t>(c));
      size_t at = place(edge);
      while (edges_[at].key != 0) at = (at + 1) & (edges_.size() - 1);
      edges_[at] = {edge, next};
    }
    node = next;
  }
  values_[node] = value;
}

}  // namespace tandem
