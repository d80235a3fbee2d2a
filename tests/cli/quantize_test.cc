// tandem quantize, and folders of its kind that were damaged: one clear error each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <ostream>
#include <string>

#include "support/tandem_json.h"

namespace tandem::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string model() { return test_data() + "/golden/models/llama-gqa-bf16"; }

void expect_refused(const Outcome& run, const std::string& word) {
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_EQ(run.out, "");
  EXPECT_THAT(run.err, HasSubstr("tandem: error: "));
  EXPECT_THAT(run.err, HasSubstr(word));
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

TEST(QuantizeCommand, WritesAFolderThatGivesTheBitsOfTheOption) {
  const TempFolder temp;
  const Outcome run = tandem({"quantize", model(), temp.file("q"), "--to", "int4"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.err, "");
  EXPECT_THAT(run.out, HasSubstr("in int4"));
  const auto answer = [](std::vector<std::string> args) {
    const std::vector<std::string> rest = {"--prompt_ids", "5,6,7", "--temperature",    "0",
                                           "--world_size", "2",     "--max_new_tokens", "4",
                                           "--threads",    "1",     "--digest",         "--json"};
    args.insert(args.begin(), {"generate", "--model_path"});
    args.insert(args.end(), rest.begin(), rest.end());
    return tandem_json(args).front();
  };
  const Json stored = answer({temp.file("q")});
  const Json loaded = answer({model(), "--quantize", "int4"});
  EXPECT_EQ(stored.find("digest")->string(), loaded.find("digest")->string());
  EXPECT_EQ(stored.find("quantize")->string(), "int4");
  for (const auto& entry : fs::directory_iterator(model())) {
    const std::string name = entry.path().filename().string();
    if (name == "config.json" || name.starts_with("model")) continue;
    EXPECT_TRUE(read(temp.file("q/" + name)) == read(entry.path())) << name;
  }
}

TEST(QuantizeCommand, RefusesBadUsageAndLeavesNothing) {
  const TempFolder temp;
  expect_refused(tandem({"quantize", model(), temp.file("q"), "--to", "int3"}), "int3");
  expect_refused(tandem({"quantize", model(), temp.file("q"), "--to", "none"}), "--to");
  expect_refused(tandem({"quantize", temp.file("absent"), temp.file("q")}), "no such folder");
  expect_refused(tandem({"quantize", model(), temp.file("no/such/parent")}), "no folder");
  temp.write("used/file", "x");
  expect_refused(tandem({"quantize", model(), temp.file("used")}), "not empty");
  EXPECT_EQ(std::distance(fs::directory_iterator(temp.path()), {}), 1) << "only the used one";
}

struct Damage {
  std::string name;
  std::string word;        // that the message must hold
  std::string to;          // the form
  std::string from, into;  // replaced in the header of model.safetensors, or in config.json
  bool config = false;
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

class DamagedFolder : public testing::TestWithParam<Damage> {};

/// The first place where the text of a file is `from`; the same length keeps all offsets.
void edit(const fs::path& path, const std::string& from, std::string into, bool same_length) {
  std::string text = read(path);
  const size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  if (same_length) into.resize(from.size(), ' ');
  write(path, text.replace(at, from.size(), into));
}

TEST_P(DamagedFolder, IsRefusedByName) {
  const Damage& d = GetParam();
  const TempFolder temp;
  ASSERT_EQ(tandem({"quantize", model(), temp.file("q"), "--to", d.to}).exit_code, 0);
  edit(temp.file(d.config ? "q/config.json" : "q/model.safetensors"), d.from, d.into, !d.config);
  expect_refused(tandem({"inspect", temp.file("q")}), d.word);
}

const std::string kDown = "model.layers.0.mlp.down_proj.weight";

INSTANTIATE_TEST_SUITE_P(
    QuantizeCommand, DamagedFolder,
    testing::Values(
        Damage{"group_size", "group_size", "int8", "\"group_size\": 32", "\"group_size\": 64",
               true},
        Damage{"group_size_missing", "group_size", "int8", "group_size", "group", true},
        Damage{"dtype", "float64", "int8", "\"dtype\": \"bfloat16\"", "\"dtype\": \"float64\"",
               true},
        Damage{"method", "awq", "int8", "\"tandem\"", "\"awq\"", true},
        Damage{"no_configuration", "model.embed_tokens.weight", "int8", "quantization_config",
               "other", true},
        Damage{"scale_missing", kDown + "_scale", "int8", kDown + "_scale", kDown + "_skale"},
        Damage{"codes_missing", kDown, "int8", kDown + "_q", kDown + "_p"},
        Damage{"scale_type", "F16 is expected", "int8", kDown + "_scale\":{\"dtype\":\"F16\"",
               kDown + "_scale\":{\"dtype\":\"I16\""},
        Damage{"codes_type", "no int8 weight", "int4", kDown + "_q\":{\"dtype\":\"U8\"",
               kDown + "_q\":{\"dtype\":\"I8\""},
        Damage{"scale_shape", "shape", "int8",
               kDown + "_scale\":{\"dtype\":\"F16\",\"shape\":[144,7]",
               kDown + "_scale\":{\"dtype\":\"F16\",\"shape\":[7,144]"},
        Damage{"codes_shape", "shape", "int8", kDown + "_q\":{\"dtype\":\"I8\",\"shape\":[144,200]",
               kDown + "_q\":{\"dtype\":\"I8\",\"shape\":[200,144]"},
        Damage{"minima_renamed", kDown + "_max", "int4", kDown + "_min", kDown + "_max"}),
    [](const auto& damage) { return damage.param.name; });

TEST(QuantizeCommand, ATruncatedFileIsNamed) {
  const TempFolder temp;
  ASSERT_EQ(tandem({"quantize", model(), temp.file("q")}).exit_code, 0);
  fs::resize_file(temp.file("q/model.safetensors"), 100'000);
  expect_refused(tandem({"inspect", temp.file("q")}), "model.safetensors");
}

TEST(QuantizeCommand, AScaleThatIsNanNamesItsLayer) {
  const TempFolder temp;
  ASSERT_EQ(tandem({"quantize", model(), temp.file("q")}).exit_code, 0);
  const fs::path file = temp.file("q/model.safetensors");
  std::string text = read(file);
  uint64_t length = 0;
  std::memcpy(&length, text.data(), 8);
  const Json header = Json::parse(text.substr(8, length), "header");
  const Json* scale = header.find("model.layers.1.mlp.up_proj.weight_scale");
  const auto at = static_cast<size_t>(scale->find("data_offsets")->array()[0].integer());
  text[8 + length + at + 1] = 0x7e;
  text[8 + length + at] = 0;
  write(file, text);
  const Outcome run = tandem({"generate", "--model_path", temp.file("q"), "--prompt_ids", "1,2"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("layer 1"));
}

}  // namespace
}  // namespace tandem::test
