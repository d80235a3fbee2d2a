#include "checkpoint/tensor_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <utility>

#include "checkpoint/hf_folder.h"
#include "checkpoint/safetensors_bytes.h"
#include "support/temp_folder.h"
#include "tandem/error.h"

namespace tandem::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";

std::string error_of(const auto& action, ErrorCode code = ErrorCode::kBadInput) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "was accepted";
  return "";
}

std::string open_error(const TempFolder& folder) {
  return error_of([&] { TensorStore::open(folder.path()); });
}

std::vector<std::string> names(const TensorStore& store) {
  std::vector<std::string> result;
  for (const StoredTensor& tensor : store.tensors()) result.push_back(tensor.name);
  return result;
}

/// Two shards with a: U8[4], b: BF16[2] and c: U8[3].
void write_shards(const TempFolder& folder, const std::string& weight_map) {
  folder.write(kFirst, safetensors_bytes("{" + entry("b", "BF16", "[2]", "[4,8]") + "," +
                                             entry("a", "U8", "[4]", "[0,4]") + "}",
                                         8));
  folder.write(kSecond, safetensors_bytes("{" + entry("c", "U8", "[3]", "[0,3]") + "}", 3));
  folder.write("model.safetensors.index.json",
               "{\"metadata\":{\"total_size\":11},\"weight_map\":" + weight_map + "}");
}

std::string full_map() {
  return "{\"c\":\"" + std::string(kSecond) + "\",\"a\":\"" + kFirst + "\",\"b\":\"" + kFirst +
         "\"}";
}

TEST(TensorStore, ReadsOneFile) {
  const TempFolder folder;
  const std::string header = "{\"__metadata__\":{\"format\":\"pt\"}," +
                             entry("w", "F32", "[2,3]", "[0,24]") + "," +
                             entry("none", "F16", "[0,7]", "[24,24]") + "," +
                             entry("one", "F64", "[]", "[24,32]") + "}   ";
  folder.write("model.safetensors", safetensors_bytes(header, 32));
  const TensorStore store = TensorStore::open(folder.path());
  EXPECT_THAT(names(store), ElementsAre("w", "none", "one"));
  const StoredTensor& w = store.get("w");
  EXPECT_EQ(w.dtype, DType::kF32);
  EXPECT_THAT(w.shape, ElementsAre(2, 3));
  EXPECT_EQ(w.elements(), 6);
  EXPECT_EQ(w.bytes, 24U);
  EXPECT_EQ(w.offset, 8 + header.size());
  for (int i = 0; i < 24; ++i) EXPECT_EQ(std::to_integer<int>(w.data[i]), i);
  EXPECT_EQ(store.get("one").dtype, std::nullopt);
  EXPECT_EQ(store.get("one").stored_dtype, "F64");
  EXPECT_EQ(store.total_bytes(), 32);
  EXPECT_EQ(store.find("absent"), nullptr);
}

TEST(TensorStore, OrderIsFileThenOffsetAndDataSurvivesAMove) {
  const TempFolder folder;
  write_shards(folder, full_map());
  TensorStore opened = TensorStore::open(folder.path());
  const TensorStore store = std::move(opened);
  EXPECT_THAT(names(store), ElementsAre("a", "b", "c"));
  EXPECT_EQ(store.get("a").file, 0);
  EXPECT_EQ(store.get("c").file, 1);
  EXPECT_THAT(store.file_path(1), HasSubstr(kSecond));
  EXPECT_EQ(std::to_integer<int>(store.get("b").data[3]), 7);
  EXPECT_EQ(std::to_integer<int>(store.get("c").data[2]), 2);
}

TEST(TensorStore, ReleasedPagesReadTheSameAgain) {
  const TempFolder folder;
  folder.write("model.safetensors",
               safetensors_bytes("{" + entry("w", "U8", "[100000]", "[0,100000]") + "}", 100000));
  const TensorStore store = TensorStore::open(folder.path());
  const StoredTensor& w = store.get("w");
  store.prefetch(w, 0, w.bytes);
  for (const auto& [begin, end] : {std::pair<size_t, size_t>{0, 100000}, {5, 5}, {4000, 9000}}) {
    store.release(w, begin, end);
    for (size_t i = 0; i < w.bytes; ++i) ASSERT_EQ(std::to_integer<size_t>(w.data[i]), i % 251);
  }
}

TEST(TensorStore, NamesTheTypeOfAWeightThatIsNotFloat) {
  const TempFolder folder;
  write_shards(folder, full_map());
  const TensorStore store = TensorStore::open(folder.path());
  EXPECT_EQ(store.float_dtype(store.get("b")), DType::kBF16);
  const std::string message =
      error_of([&] { (void)store.float_dtype(store.get("a")); }, ErrorCode::kUnsupported);
  EXPECT_THAT(message, HasSubstr(kFirst));
  EXPECT_THAT(message, HasSubstr("\"a\" is U8"));
}

TEST(TensorStore, MissingTensorIsNamed) {
  const TempFolder folder;
  write_shards(folder, full_map());
  const TensorStore store = TensorStore::open(folder.path());
  EXPECT_THAT(error_of([&] { (void)store.get("model.norm.weight"); }),
              HasSubstr("model.norm.weight"));
}

TEST(TensorStore, IndexThatLies) {
  struct Lie {
    std::string map;
    std::string says;
  };
  const std::string first = std::string("\"") + kFirst + "\"";
  const std::string second = std::string("\"") + kSecond + "\"";
  const std::string a_b = "\"a\":" + first + ",\"b\":" + first + ",";
  const std::vector<Lie> lies = {
      {"{" + a_b + "\"c\":\"gone.safetensors\"}", "gone.safetensors"},
      {"{" + a_b + "\"c\":\"../outside.safetensors\"}", "../outside.safetensors"},
      {"{" + a_b + "\"c\":\"/etc/passwd\"}", "/etc/passwd"},
      {"{" + a_b + "\"c\":\"..\"}", "\"..\""},
      {"{" + a_b + "\"c\":\"\"}", "\"c\""},
      {"{" + a_b + "\"c\":7}", "a file's name"},
      {"{" + a_b + "\"c\":\"x\\u0000y\"}", "\"c\""},
      {"{" + a_b + "\"c\":" + second + ",\"d\":" + second + "}", "\"d\""},
      {"{" + a_b + "\"c\":" + first + "}", "\"c\""},
      {"{\"a\":" + first + ",\"c\":" + second + "}", "\"b\" is not in"},
      {"{\"a\":" + second + ",\"b\":" + first + ",\"c\":" + second + "}", "\"a\""},
      {"{}", "empty"},
      {"[]", "an array"},
      {"{\"a\":" + first + ",\"a\":" + first + "}", "twice"},
  };
  for (const Lie& lie : lies) {
    const TempFolder folder;
    write_shards(folder, lie.map);
    const std::string message = open_error(folder);
    EXPECT_THAT(message, HasSubstr(lie.says));
    EXPECT_THAT(message, HasSubstr(folder.path()));
  }
}

TEST(TensorStore, TensorInTwoFiles) {
  const TempFolder folder;
  write_shards(folder, full_map());
  folder.write(kSecond, safetensors_bytes("{" + entry("a", "U8", "[3]", "[0,3]") + "}", 3));
  EXPECT_THAT(open_error(folder), HasSubstr("\"a\" is in"));
}

TEST(TensorStore, WhatIsNoRegularFile) {
  const TempFolder folder;
  std::filesystem::create_directory(folder.file("model.safetensors"));
  EXPECT_THAT(open_error(folder), HasSubstr("is a folder"));
  std::filesystem::remove(folder.file("model.safetensors"));
  ASSERT_EQ(::mkfifo(folder.file("model.safetensors").c_str(), 0600), 0);
  EXPECT_THAT(open_error(folder), HasSubstr("no regular file"));  // and does not wait for a writer
  std::filesystem::remove(folder.file("model.safetensors"));
  std::filesystem::create_symlink("gone", folder.file("model.safetensors"));
  EXPECT_THAT(open_error(folder), HasSubstr("model.safetensors"));
  folder.write("gone", safetensors_bytes("{" + entry("w", "U8", "[1]", "[0,1]") + "}", 1));
  EXPECT_EQ(TensorStore::open(folder.path()).tensors().size(), 1U);
}

TEST(TensorStore, BinFilesOnlyGiveTheCommandThatConverts) {
  const TempFolder folder;
  folder.write("pytorch_model.bin", "pickle");
  const std::string message = open_error(folder);
  EXPECT_THAT(message, HasSubstr("python3 -c"));
  EXPECT_THAT(message, HasSubstr("'" + folder.path() + "'"));
  EXPECT_EQ(message.find('\n'), std::string::npos);
  folder.write("model.safetensors",
               safetensors_bytes("{" + entry("w", "U8", "[1]", "[0,1]") + "}", 1));
  EXPECT_EQ(TensorStore::open(folder.path()).tensors().size(), 1U);
}

TEST(TensorStore, OtherFoldersSayWhatTheyLack) {
  const TempFolder folder;
  EXPECT_THAT(open_error(folder), HasSubstr("model.safetensors.index.json"));
  folder.write("model.gguf", "GGUF");
  EXPECT_THAT(open_error(folder), HasSubstr("tandem import"));
  folder.write(kFirst, "");
  EXPECT_THAT(open_error(folder), HasSubstr("fetch the missing file"));
}

TEST(HfFolder, ReadsConfigurations) {
  const TempFolder folder;
  write_shards(folder, full_map());
  folder.write("config.json", "{\"model_type\":\"llama\",\"quantization_config\":null}");
  HfFolder hf = HfFolder::open(folder.path());
  EXPECT_EQ(hf.config.find("model_type")->string(), "llama");
  EXPECT_TRUE(hf.generation_config.object().empty());
  EXPECT_EQ(hf.quantization_method(), std::nullopt);
  EXPECT_EQ(hf.tensors.tensors().size(), 3U);
  folder.write("config.json", "{\"quantization_config\":{\"quant_method\":\"gptq\"}}");
  folder.write("generation_config.json", "{\"top_k\":5}");
  hf = HfFolder::open_config(folder.path());
  EXPECT_EQ(hf.quantization_method(), "gptq");
  EXPECT_EQ(hf.generation_config.find("top_k")->integer(), 5);
  folder.write("config.json", "{\"quantization_config\":{\"bits\":4}}");
  EXPECT_EQ(HfFolder::open_config(folder.path()).quantization_method(), "unnamed method");
}

TEST(HfFolder, RefusesWhatIsNone) {
  const TempFolder folder;
  const auto message = [](const std::string& path) {
    return error_of([&] { HfFolder::open(path); });
  };
  EXPECT_THAT(message(folder.file("absent")), HasSubstr("no such folder"));
  EXPECT_THAT(message(folder.write("m.gguf", "GGUF")), HasSubstr("tandem import"));
  EXPECT_THAT(message(folder.write("plain", "x")), HasSubstr("no folder"));
  EXPECT_THAT(message(folder.path()), HasSubstr("no config.json"));
  folder.write("config.json", "");
  EXPECT_THAT(message(folder.path()), HasSubstr("JSON"));
  folder.write("config.json", "[]");
  EXPECT_THAT(message(folder.path()), HasSubstr("an array"));
  folder.write("config.json", std::string(5 << 20, ' '));
  EXPECT_THAT(message(folder.path()), HasSubstr("5242880 bytes"));
  folder.write("config.json", "{}");
  folder.write("generation_config.json", "{\"a\":1,\"a\":2}");
  EXPECT_THAT(message(folder.path()), HasSubstr("generation_config.json"));
}

}  // namespace
}  // namespace tandem::test
