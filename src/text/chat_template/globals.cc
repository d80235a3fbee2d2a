// Functions that every template may call.
#include <locale.h>

#include <cstdio>
#include <ctime>

#include "text/chat_template/arguments.h"
#include "text/chat_template/print.h"

namespace tandem::jinja {
namespace {

Value range(Runtime& rt, Arguments& arguments) {
  const size_t n = arguments.positional.size();
  if (n < 1 || n > 3 || !arguments.named.empty()) rt.fail("range takes one to three integers");
  const auto at = [&](size_t i) { return to_index(rt, arguments.positional[i], "range"); };
  const int64_t start = n > 1 ? at(0) : 0;
  const int64_t stop = n > 1 ? at(1) : at(0);
  const int64_t step = n > 2 ? at(2) : 1;
  if (step == 0) rt.fail("the step of a range is zero");
  const Int distance = step > 0 ? Int{stop} - start : Int{start} - stop;
  const Int width = step > 0 ? Int{step} : -Int{step};
  const Int count = distance <= 0 ? Int{0} : (distance + width - 1) / width;
  if (count > rt.limits().range_length) {
    rt.fail("a range of {} numbers; at most {} are allowed", int_text(count),
            rt.limits().range_length);
  }
  rt.reserve(static_cast<size_t>(count) * sizeof(Value));
  Items items;
  for (Int i = 0; i < count; ++i) items.emplace_back(Int{start} + i * step);
  std::string name = fmt::format("range({}, {})", start, stop);
  if (step != 1) name = fmt::format("range({}, {}, {})", start, stop, step);
  return make_sequence(rt, std::move(items), SequenceKind::kRange, std::move(name));
}

void merge_entries(Runtime& rt, Entries& entries, Arguments& arguments, std::string_view what) {
  if (arguments.positional.size() > 1) rt.fail("{} takes one mapping at most", what);
  for (const Value& value : arguments.positional) {
    if (value.is_dict()) {
      for (const auto& [key, item] : value.dict().items) put(rt, entries, key, item);
      continue;
    }
    for (const Value& pair : iterate(rt, value)) {
      const Items parts = iterate(rt, pair);
      if (parts.size() != 2) rt.fail("{} takes pairs of key and value", what);
      put(rt, entries, parts[0], parts[1]);
    }
  }
  for (auto& [name, value] : arguments.named) put(rt, entries, make_text(rt, name), value);
}

Value dict(Runtime& rt, Arguments& arguments) {
  Entries entries;
  merge_entries(rt, entries, arguments, "dict");
  return make_dict(rt, std::move(entries));
}

Value make_namespace(Runtime& rt, Arguments& arguments) {
  Entries entries;
  merge_entries(rt, entries, arguments, "namespace");
  auto object = std::make_shared<Namespace>();
  for (auto& [key, value] : entries) {
    if (!key.is_string()) rt.fail("a namespace's names are strings");
    if (key.string().starts_with('_')) {
      rt.fail("'{}': a namespace takes no name that begins with '_'", key.string());
    }
    object->items.emplace_back(key.string(), value);
  }
  rt.own(object);
  return Value(std::move(object));
}

[[noreturn]] Value raise_exception(Runtime& rt, Arguments& arguments) {
  Bound bound(rt, "raise_exception", "message", arguments);
  throw Error(ErrorCode::kBadInput, str(rt, bound.required(0)));
}

/// "YYYY-MM-DDTHH:MM:SS", or the local clock when empty.
std::tm moment(const Runtime& rt) {
  std::tm tm{};
  if (rt.now.empty()) {
    const std::time_t now = std::time(nullptr);
    localtime_r(&now, &tm);
    return tm;
  }
  char end = '\0';
  const int fields =
      std::sscanf(rt.now.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%c", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                  &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end);
  const std::tm given = tm;
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  // timegm fills the day of the week and of the year, and moves days that do not exist.
  if (fields == 6) timegm(&tm);
  if (fields != 6 || tm.tm_mday != given.tm_mday || tm.tm_mon != given.tm_mon - 1 ||
      tm.tm_hour != given.tm_hour || tm.tm_min != given.tm_min || tm.tm_sec != given.tm_sec) {
    bad_input("\"{}\" is no date and time; YYYY-MM-DDTHH:MM:SS is expected", rt.now);
  }
  return tm;
}

Value strftime_now(Runtime& rt, Arguments& arguments) {
  Bound bound(rt, "strftime_now", "format", arguments);
  const std::string& format = bound.string(0);
  const std::tm tm = moment(rt);
  // Names of days and months are English whatever the user's locale is.
  const locale_t c_locale = newlocale(LC_ALL_MASK, "C", nullptr);
  std::string out;
  rt.reserve(format.size() * 32);
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 >= format.size()) {
      out += format[i];
      continue;
    }
    // One conversion at a time, with `-` as its only flag: a width could ask for gigabytes.
    std::string one = "%";
    if (format[i + 1] == '-' && i + 2 < format.size()) one += format[++i];
    one += format[++i];
    char buffer[128];
    const size_t n = strftime_l(buffer, sizeof buffer, one.c_str(), &tm, c_locale);
    out.append(buffer, n);
  }
  freelocale(c_locale);
  return make_text(rt, std::move(out));
}

}  // namespace

std::vector<std::pair<std::string, Value>> make_globals(Runtime& rt) {
  std::vector<std::pair<std::string, Value>> result;
  const auto add = [&](const char* name, Value (*function)(Runtime&, Arguments&)) {
    result.emplace_back(
        name, make_callable(rt, name, [&rt, function](Arguments& a) { return function(rt, a); }));
  };
  add("range", range);
  add("dict", dict);
  add("namespace", make_namespace);
  add("raise_exception", raise_exception);
  add("strftime_now", strftime_now);
  return result;
}

}  // namespace tandem::jinja
