#include "text/tokenizer/vocabulary.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace tandem {
namespace {

// Ids may have gaps, but a huge id must not make a huge table.
constexpr int64_t kIdsPerToken = 8;
constexpr int64_t kIdsToSpare = int64_t{1} << 20;

uint64_t mix(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace

uint64_t hash_bytes(std::string_view bytes) {
  uint64_t hash = 0x9e3779b97f4a7c15u ^ bytes.size();
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word = 0;
    std::memcpy(&word, at, 8);
    hash = mix(hash ^ word, 0xd6e8feb86659fd93u);
  }
  uint64_t word = 0;
  if (left > 0) std::memcpy(&word, at, left);
  return mix(hash ^ word, 0xa0761d6478bd642fu);
}

void Vocabulary::reserve(size_t tokens, size_t bytes) {
  bytes_.reserve(bytes);
  entries_.reserve(tokens);
  by_id_.reserve(tokens);
  rehash(std::bit_ceil(std::max<size_t>(16, tokens * 2)));
}

void Vocabulary::rehash(size_t slots) {
  slots_.assign(slots, Slot{});
  for (const Entry& entry : entries_) {
    const uint64_t hash = hash_bytes(text(entry));
    size_t at = hash & (slots - 1);
    while (slots_[at].entry.id >= 0) at = (at + 1) & (slots - 1);
    slots_[at] = {static_cast<uint32_t>(hash >> 32), entry};
  }
}

size_t Vocabulary::slot_of(std::string_view token, uint64_t hash) const {
  const auto high = static_cast<uint32_t>(hash >> 32);
  size_t at = hash & (slots_.size() - 1);
  while (slots_[at].entry.id >= 0) {
    if (slots_[at].hash == high && text(slots_[at].entry) == token) return at;
    at = (at + 1) & (slots_.size() - 1);
  }
  return at;
}

bool Vocabulary::add(std::string_view token, int32_t id) {
  TANDEM_CHECK(id >= 0);
  if (has(id)) return false;
  if ((entries_.size() + 1) * 2 > slots_.size()) rehash(std::max<size_t>(16, slots_.size() * 2));
  const uint64_t hash = hash_bytes(token);
  const size_t slot = slot_of(token, hash);
  if (slots_[slot].entry.id >= 0) return false;
  if (id > kIdsToSpare + kIdsPerToken * static_cast<int64_t>(entries_.size())) {
    bad_input("token \"{}\" has id {}, far behind the {} tokens before it", token, id,
              entries_.size());
  }
  const Entry entry{static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(token.size()), id};
  entries_.push_back(entry);
  bytes_.append(token);
  slots_[slot] = {static_cast<uint32_t>(hash >> 32), entry};
  if (static_cast<size_t>(id) >= by_id_.size()) by_id_.resize(static_cast<size_t>(id) + 1);
  by_id_[static_cast<size_t>(id)] = static_cast<uint32_t>(entries_.size());
  return true;
}

int32_t Vocabulary::find(std::string_view token, uint64_t hash) const {
  return slots_.empty() ? -1 : slots_[slot_of(token, hash)].entry.id;
}

bool Vocabulary::has(int32_t id) const {
  return id >= 0 && static_cast<size_t>(id) < by_id_.size() && by_id_[static_cast<size_t>(id)] != 0;
}

std::string_view Vocabulary::token(int32_t id) const {
  return has(id) ? text(entries_[by_id_[static_cast<size_t>(id)] - 1]) : std::string_view();
}

}  // namespace tandem
