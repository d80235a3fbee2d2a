#include "step/plan.h"

#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/arithmetic.h"
#include "base/check.h"

namespace tandem {
namespace {

static_assert(std::endian::native == std::endian::little, "the byte form is copied as it lies");

constexpr uint32_t kMagic = 0x4e4c5054;  // "TPLN"
constexpr uint16_t kVersion = 1;
constexpr uint8_t kVerify = 1;
constexpr uint8_t kFullLogits = 2;

struct Header {
  uint32_t magic = kMagic;
  uint16_t version = kVersion;
  uint8_t kind = 0;
  uint8_t flags = 0;
  uint64_t step = 0;
  uint32_t drop_tables = 0;
  uint32_t rope_rows = 0;
  uint32_t copies = 0;
  uint32_t ids = 0;
  uint32_t chunks = 0;
  uint32_t blocks = 0;
  uint32_t logit_rows = 0;
  uint32_t reserved = 0;
};
static_assert(std::has_unique_object_representations_v<Header>, "no padding bytes are sent");
static_assert(std::has_unique_object_representations_v<PlanChunk>);
static_assert(std::has_unique_object_representations_v<PageCopy>);

struct RopeHeader {
  int32_t table = 0;
  uint32_t count = 0;  // of floats
  int64_t first = 0;
};

class Writer {
 public:
  explicit Writer(std::vector<std::byte>& bytes) : bytes_(bytes) { bytes_.clear(); }

  template <typename T>
  void put(const T* values, size_t count) {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto* begin = reinterpret_cast<const std::byte*>(values);
    bytes_.insert(bytes_.end(), begin, begin + count * sizeof(T));
  }
  template <typename T>
  void put(const std::vector<T>& values) {
    put(values.data(), values.size());
  }

 private:
  std::vector<std::byte>& bytes_;
};

[[noreturn]] void broken(const char* what) {
  fail(ErrorCode::kRankFailure,
       "step plan: {}; every rank must run the same build of tandem, and the control channel must "
       "not be shared",
       what);
}

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <typename T>
  T get() {
    T value;
    copy(&value, sizeof(T));
    return value;
  }
  /// The count is checked against the bytes that are there before memory is taken for it.
  template <typename T>
  void get(std::vector<T>& values, size_t count) {
    if (count > rest_.size() / sizeof(T)) broken("it is cut off");
    values.resize(count);
    copy(values.data(), count * sizeof(T));
  }
  bool done() const { return rest_.empty(); }
  size_t left() const { return rest_.size(); }

 private:
  void copy(void* to, size_t bytes) {
    if (bytes > rest_.size()) broken("it is cut off");
    if (bytes > 0) std::memcpy(to, rest_.data(), bytes);
    rest_ = rest_.subspan(bytes);
  }

  std::span<const std::byte> rest_;
};

void check_chunks(const StepPlan& plan) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();  // no sum below can overflow
  int64_t row = 0;
  int64_t block = 0;
  for (const PlanChunk& chunk : plan.chunks) {
    const bool tiles = chunk.row_begin == row && chunk.rows > 0 && chunk.rows <= plan.rows() - row;
    if (!tiles) broken("its chunks do not tile its rows");
    if (chunk.block_begin != block || chunk.block_count < 0 ||
        chunk.block_count > static_cast<int64_t>(plan.blocks.size()) - block) {
      broken("its chunks do not tile its list of pages");
    }
    if (chunk.position < 0 || chunk.position > kMost || chunk.rope_table < 0 ||
        chunk.position + chunk.rows > chunk.block_count * kKeyBlock) {
      broken("a chunk's position or rope table is out of range");
    }
    row += chunk.rows;
    block += chunk.block_count;
  }
  if (row != plan.rows()) broken("its chunks do not tile its rows");
  if (block != static_cast<int64_t>(plan.blocks.size()))
    broken("its chunks do not tile its list of pages");
}

void check_lists(const StepPlan& plan) {
  for (const int32_t table : plan.drop_tables)
    if (table < 0) broken("it drops a negative rope table");
  for (const PlanRopeRows& rows : plan.rope_rows)
    if (rows.table < 0 || rows.first < 0) broken("it sets negative rope rows");
  for (const PageCopy& copy : plan.copies)
    if (copy.from < 0 || copy.to < 0) broken("it copies a negative page");
  for (const int32_t block : plan.blocks)
    if (block < 0) broken("it names a negative page");
  for (const int32_t id : plan.ids)
    if (id < 0) broken("it names a negative id");
  int64_t previous = -1;
  for (const int32_t row : plan.logit_rows) {
    if (row <= previous || row >= plan.rows()) broken("its rows of logits are out of order");
    previous = row;
  }
}

uint32_t count(size_t n) {
  TANDEM_CHECK(n <= std::numeric_limits<uint32_t>::max());
  return static_cast<uint32_t>(n);
}

Header header_of(const StepPlan& plan) {
  Header header;
  header.kind = static_cast<uint8_t>(plan.kind);
  header.flags =
      static_cast<uint8_t>((plan.verify ? kVerify : 0) | (plan.full_logits ? kFullLogits : 0));
  header.step = plan.step;
  header.drop_tables = count(plan.drop_tables.size());
  header.rope_rows = count(plan.rope_rows.size());
  header.copies = count(plan.copies.size());
  header.ids = count(plan.ids.size());
  header.chunks = count(plan.chunks.size());
  header.blocks = count(plan.blocks.size());
  header.logit_rows = count(plan.logit_rows.size());
  return header;
}

void read_header(const Header& header, StepPlan& plan) {
  if (header.magic != kMagic) broken("it does not begin as one");
  if (header.version != kVersion) broken("it has another version");
  const bool known = header.kind == static_cast<uint8_t>(StepKind::kForward) ||
                     header.kind == static_cast<uint8_t>(StepKind::kReport) ||
                     header.kind == static_cast<uint8_t>(StepKind::kShutdown);
  if (!known || (header.flags & ~(kVerify | kFullLogits)) != 0 || header.reserved != 0)
    broken("its kind or flags are unknown");
  plan.kind = static_cast<StepKind>(header.kind);
  plan.verify = (header.flags & kVerify) != 0;
  plan.full_logits = (header.flags & kFullLogits) != 0;
  plan.step = header.step;
}

}  // namespace

void StepPlan::clear() {
  kind = StepKind::kForward;
  step = 0;
  verify = false;
  full_logits = false;
  drop_tables.clear();
  rope_rows.clear();
  copies.clear();
  ids.clear();
  chunks.clear();
  blocks.clear();
  logit_rows.clear();
}

void encode(const StepPlan& plan, std::vector<std::byte>& bytes) {
  Writer writer(bytes);
  const Header header = header_of(plan);
  writer.put(&header, 1);
  writer.put(plan.drop_tables);
  for (const PlanRopeRows& rows : plan.rope_rows) {
    const RopeHeader rope{rows.table, count(rows.values.size()), rows.first};
    writer.put(&rope, 1);
    writer.put(rows.values);
  }
  writer.put(plan.copies);
  writer.put(plan.ids);
  writer.put(plan.chunks);
  writer.put(plan.blocks);
  writer.put(plan.logit_rows);
}

void decode(std::span<const std::byte> bytes, StepPlan& plan) {
  plan.clear();
  Reader reader(bytes);
  const auto header = reader.get<Header>();
  read_header(header, plan);
  reader.get(plan.drop_tables, header.drop_tables);
  if (header.rope_rows > reader.left() / sizeof(RopeHeader)) broken("it is cut off");
  plan.rope_rows.resize(header.rope_rows);
  for (PlanRopeRows& rows : plan.rope_rows) {
    const auto rope = reader.get<RopeHeader>();
    rows.table = rope.table;
    rows.first = rope.first;
    reader.get(rows.values, rope.count);
  }
  reader.get(plan.copies, header.copies);
  reader.get(plan.ids, header.ids);
  reader.get(plan.chunks, header.chunks);
  reader.get(plan.blocks, header.blocks);
  reader.get(plan.logit_rows, header.logit_rows);
  if (!reader.done()) broken("bytes follow its end");
  check_chunks(plan);
  check_lists(plan);
}

}  // namespace tandem
