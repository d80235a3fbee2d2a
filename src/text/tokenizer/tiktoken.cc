#include "text/tokenizer/tiktoken.h"

#include <array>
#include <charconv>
#include <fstream>
#include <iterator>

#include "base/check.h"
#include "json/json.h"
#include "text/tokenizer/bpe.h"
#include "text/tokenizer/byte_letters.h"
#include "text/tokenizer/hf_tokenizer.h"

namespace tandem {
namespace {

constexpr size_t kMaxFileBytes = size_t{256} << 20;
constexpr size_t kMaxTokenBytes = 1000;
constexpr int32_t kExtraTokens = 205;

// Qwen v1's rule for cutting text, in the words of tokenizer.json's components.
constexpr std::string_view kNormalizer = R"({"type": "NFC"})";
constexpr std::string_view kPreTokenizer = R"json({"type": "Sequence", "pretokenizers": [
  {"type": "Split", "behavior": "Isolated", "pattern": {"Regex":
   "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
  {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})json";
constexpr std::string_view kDecoder = R"({"type": "ByteLevel"})";

/// False when `text` is not base64 (RFC 4648, padded).
bool decode_base64(std::string_view text, std::string& out) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.empty() || text.size() % 4 != 0) return false;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  uint32_t bits = 0;
  out.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t digit = i < text.size() - padding ? kDigits.find(text[i]) : 0;
    if (digit == kDigits.npos) return false;
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    if (i % 4 != 3) continue;
    for (int shift = 16; shift >= 0; shift -= 8) out.push_back(static_cast<char>(bits >> shift));
    bits = 0;
  }
  out.resize(out.size() - padding);
  return true;
}

/// One line: the token's bytes and its rank.
int32_t parse_line(std::string_view line, const std::string& where, std::string& bytes) {
  const size_t space = line.find(' ');
  int32_t rank = -1;
  if (space == line.npos || !decode_base64(line.substr(0, space), bytes))
    bad_input("{}: \"{}\"; expected a token in base64, a space and its rank", where,
              line.substr(0, 60));
  const std::string_view number = line.substr(space + 1);
  const auto parsed = std::from_chars(number.begin(), number.end(), rank);
  if (parsed.ec != std::errc() || parsed.ptr != number.end() || rank < 0)
    bad_input("{}: rank \"{}\"; expected a number from 0 on", where, number.substr(0, 40));
  if (bytes.size() > kMaxTokenBytes)
    bad_input("{}: a token of {} bytes; at most {} are accepted", where, bytes.size(),
              kMaxTokenBytes);
  return rank;
}

std::shared_ptr<Vocabulary> parse_ranks(std::string_view text, const std::string& name) {
  auto vocabulary = std::make_shared<Vocabulary>();
  vocabulary->reserve(text.size() / 14, text.size());
  std::string bytes;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const std::string where = fmt::format("{} line {}", name, number);
    const int32_t rank = parse_line(line, where, bytes);
    if (!vocabulary->add(to_byte_letters(bytes), rank))
      bad_input("{}: the token or its rank {} occurs twice", where, rank);
  }
  const auto count = static_cast<int32_t>(vocabulary->size());
  if (count == 0 || vocabulary->largest_id() != count - 1) {
    bad_input("{}: {} ranks up to {}; expected all from 0 on, without gaps", name, count,
              vocabulary->largest_id());
  }
  return vocabulary;
}

/// Every way to put a token together from two others; the rank is the token's own.
MergeTable all_merges(const Vocabulary& vocabulary) {
  MergeTable table;
  table.reserve(vocabulary.size() * 4);
  for (int32_t id = 0; id <= vocabulary.largest_id(); ++id) {
    const std::string_view token = vocabulary.token(id);
    for (size_t cut = 1; cut < token.size(); ++cut) {
      if ((static_cast<uint8_t>(token[cut]) & 0xc0u) == 0x80u) continue;  // inside a letter
      const int32_t left = vocabulary.find(token.substr(0, cut));
      if (left < 0) continue;
      const int32_t right = vocabulary.find(token.substr(cut));
      if (right >= 0) table.set(left, right, {static_cast<uint32_t>(id), id});
    }
  }
  return table;
}

std::vector<AddedToken> special_tokens(int32_t first) {
  std::vector<AddedToken> tokens;
  const auto add = [&](std::string content) {
    AddedToken token;
    token.content = std::move(content);
    token.id = first + static_cast<int32_t>(tokens.size());
    token.special = true;
    token.normalized = true;  // NFC comes first, and may take a token's last character away
    tokens.push_back(std::move(token));
  };
  for (const char* content : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) add(content);
  for (int32_t i = 0; i < kExtraTokens; ++i) add(fmt::format("<|extra_{}|>", i));
  return tokens;
}

}  // namespace

std::unique_ptr<Tokenizer> parse_qwen_tiktoken(std::string_view text, const std::string& name) {
  TokenizerParts parts;
  parts.description = "qwen.tiktoken (BPE, byte-level)";
  const auto vocabulary = parse_ranks(text, name);
  parts.vocabulary = vocabulary;
  parts.added = special_tokens(vocabulary->largest_id() + 1);
  parts.normalizer = parse_normalizer(Json::parse(kNormalizer, name), name, "");
  parts.pre_tokenizer = parse_pre_tokenizer(Json::parse(kPreTokenizer, name), name);
  parts.decoder = Decoder::parse(Json::parse(kDecoder, name), name);
  BpeOptions options;
  options.ignore_merges = true;
  options.byte_level = true;
  parts.model = std::make_unique<BpeModel>(vocabulary, all_merges(*vocabulary), options);
  return std::make_unique<HfTokenizer>(std::move(parts));
}

std::unique_ptr<Tokenizer> load_qwen_tiktoken(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) bad_input("{}: cannot be read", path);
  const auto size = static_cast<std::streamoff>(file.tellg());
  if (size < 0 || static_cast<uint64_t>(size) > kMaxFileBytes)
    bad_input("{}: is no regular file of at most {} bytes", path, kMaxFileBytes);
  std::string text(static_cast<size_t>(size), '\0');
  file.seekg(0);
  file.read(text.data(), size);
  if (file.gcount() != size) bad_input("{}: cannot be read to its end", path);
  return parse_qwen_tiktoken(text, path);
}

}  // namespace tandem
