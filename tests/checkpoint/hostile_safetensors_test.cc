// Files that lie: each is refused with one error that names the file, the tensor and the numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "checkpoint/safetensors_bytes.h"
#include "checkpoint/tensor_store.h"
#include "tandem/error.h"

namespace tandem::test {
namespace {

using ::testing::HasSubstr;

struct Hostile {
  std::string name;
  std::string bytes;
  std::vector<std::string> says;
};

std::string with_length(uint64_t length, const std::string& rest) {
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + rest;
}

/// A file with one tensor "w".
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets,
                size_t data_bytes) {
  return safetensors_bytes("{" + entry("w", dtype, shape, offsets) + "}", data_bytes);
}

std::string two(const std::string& first, const std::string& second, size_t data_bytes) {
  return safetensors_bytes(
      "{" + entry("a", "U8", "[4]", first) + "," + entry("b", "U8", "[4]", second) + "}",
      data_bytes);
}

std::string deep_header() {
  return safetensors_bytes("{\"w\":" + std::string(100000, '[') + "}", 0);
}

std::string truncated() {
  const std::string whole = one("F32", "[4]", "[0,16]", 16);
  return whole.substr(0, whole.size() - 1);
}

std::vector<Hostile> cases() {
  return {
      {"empty", "", {"0 bytes"}},
      {"seven_bytes", "1234567", {"7 bytes"}},
      {"header_beyond_the_file", with_length(100, "{}"), {"100", "only 2", "truncated"}},
      {"header_absurd", with_length(UINT64_MAX, "{}"), {"18446744073709551615", "100000000"}},
      {"header_just_above_limit", with_length(100'000'001, "{}"), {"100000001"}},
      {"header_empty", with_length(0, ""), {"header"}},
      {"header_no_json", safetensors_bytes("{\"w\":", 0), {"header", "JSON"}},
      {"header_array", safetensors_bytes("[]", 0), {"array", "object"}},
      {"header_deep", deep_header(), {"deeper"}},
      {"header_not_utf8", safetensors_bytes("{\"\xff\":1}", 0), {"JSON"}},
      {"duplicate_name",
       safetensors_bytes(
           "{" + entry("w", "U8", "[1]", "[0,1]") + "," + entry("w", "U8", "[1]", "[1,2]") + "}",
           2),
       {"\"w\"", "twice"}},
      {"duplicate_key",
       safetensors_bytes("{\"w\":{\"dtype\":\"U8\",\"dtype\":\"F32\"}}", 0),
       {"dtype", "twice"}},
      {"entry_is_a_list", safetensors_bytes("{\"w\":[]}", 0), {"\"w\"", "array"}},
      {"no_dtype",
       safetensors_bytes("{\"w\":{\"shape\":[],\"data_offsets\":[0,0]}}", 0),
       {"\"w\"", "dtype", "missing"}},
      {"unknown_dtype", one("F99", "[1]", "[0,1]", 1), {"\"w\"", "F99"}},
      {"shape_negative", one("U8", "[-1]", "[0,1]", 1), {"\"w\"", "shape", "-1"}},
      {"shape_fraction", one("U8", "[1.5]", "[0,1]", 1), {"\"w\"", "shape", "1.5"}},
      {"shape_too_long",
       one("U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,1]", 1),
       {"\"w\"", "17 dimensions"}},
      {"shape_overflows",
       one("F32", "[4294967296,4294967296]", "[0,0]", 0),
       {"\"w\"", "[4294967296, 4294967296]"}},
      {"shape_overflows_by_dtype", one("F32", "[4611686018427387904]", "[0,0]", 0), {"\"w\""}},
      {"offset_negative", one("U8", "[1]", "[-1,0]", 1), {"\"w\"", "data_offsets", "[-1,0]"}},
      {"offset_reversed", one("U8", "[1]", "[1,0]", 1), {"\"w\"", "data_offsets", "[1,0]"}},
      {"offset_above_int64",
       one("U8", "[1]", "[0,18446744073709551615]", 1),
       {"\"w\"", "data_offsets"}},
      {"offset_text", one("U8", "[1]", "[0,\"1\"]", 1), {"\"w\"", "data_offsets"}},
      {"offset_of_three", one("U8", "[1]", "[0,1,2]", 1), {"\"w\"", "data_offsets"}},
      {"bytes_unlike_shape", one("F32", "[4]", "[0,15]", 15), {"\"w\"", "16 bytes", "span 15"}},
      {"part_of_a_byte", one("F4", "[3]", "[0,2]", 2), {"\"w\"", "byte"}},
      {"offset_out_of_range", one("U8", "[9]", "[0,9]", 8), {"\"w\"", "byte 9", "only 8"}},
      {"offset_far_out_of_range",
       one("U8", "[1152921504606846975]", "[0,1152921504606846975]", 8),
       {"\"w\"", "1152921504606846975", "only 8"}},
      {"overlap", two("[0,4]", "[3,7]", 7), {"\"b\"", "byte 3", "ends at 4", "overlap"}},
      {"same_place", two("[0,4]", "[0,4]", 4), {"overlap"}},
      {"hole", two("[0,4]", "[5,9]", 9), {"\"b\"", "byte 5", "ends at 4", "hole"}},
      {"hole_in_front", one("U8", "[4]", "[1,5]", 5), {"\"w\"", "hole"}},
      {"data_behind", one("U8", "[4]", "[0,4]", 5), {"byte 4", "has 5"}},
      {"truncated", truncated(), {"\"w\"", "byte 16", "only 15", "truncated"}},
  };
}

class HostileSafetensors : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostileSafetensors, IsRefused) {
  const Hostile& hostile = GetParam();
  // A copy of exactly this size, so that a read behind it is found by the address sanitizer.
  const std::vector<char> bytes(hostile.bytes.begin(), hostile.bytes.end());
  try {
    parse_safetensors(std::as_bytes(std::span(bytes)), "x.safetensors");
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadInput);
    EXPECT_THAT(error.what(), HasSubstr("x.safetensors"));
    for (const std::string& part : hostile.says) EXPECT_THAT(error.what(), HasSubstr(part));
  }
}

INSTANTIATE_TEST_SUITE_P(All, HostileSafetensors, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tandem::test
