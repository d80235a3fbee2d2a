// A template is untrusted: whatever it does ends in an error, soon, and with bounded memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tandem/error.h"
#include "tandem/text.h"
#include "text/chat_template/template.h"

namespace tandem {
namespace {

std::string render(const std::string& source, const jinja::Limits& limits = {}) {
  ChatTemplate::Input input;
  input.messages_json = R"([{"role": "user", "content": "hi"}])";
  return jinja::Template(source, "t", limits).render(input, {});
}

std::string error_of(const std::string& source, const jinja::Limits& limits = {}) {
  try {
    return "no error: " + render(source, limits).substr(0, 100);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadInput);
    return error.what();
  }
}

std::string repeated(const std::string& text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

class HostileTemplate : public testing::TestWithParam<std::string> {};

TEST_P(HostileTemplate, IsRefusedWithBoundedMemory) {
  EXPECT_THAT(error_of(GetParam()), testing::StartsWith("t: line "));
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their shadows count too
  EXPECT_LT(usage.ru_maxrss, 1500 * 1024) << "kilobytes at the highest";
#endif
}

INSTANTIATE_TEST_SUITE_P(
    Chat, HostileTemplate,
    testing::Values(
        "{{ 'a' * 10**9 }}", "{{ 'a' * 10**30 }}", "{{ [0] * 10**9 }}", "{{ range(10**12) }}",
        "{{ range(0 - 10**18, 10**18) | list }}", "{{ 2 ** (10 ** 10) }}", "{{ 9 ** 9 ** 9 ** 9 }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{% set n = namespace(s='ab') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}"
        "{% endfor %}",
        "{% set n = namespace(l=[1]) %}{% for i in range(60) %}{% set n.l = [n.l, n.l] %}"
        "{% endfor %}{{ n.l }}",
        "{% set n = namespace(l=[1]) %}{% for i in range(60) %}{% set n.l = [n.l, n.l] %}"
        "{% endfor %}{{ n.l | tojson }}",
        "{% set n = namespace(l=[1], m=[1]) %}{% for i in range(60) %}{% set n.l = [n.l, n.l] %}"
        "{% set n.m = [n.m, n.m] %}{% endfor %}{{ n.l == n.m }}",
        "{% set n = namespace(l=(1,)) %}{% for i in range(60) %}{% set n.l = (n.l, n.l) %}"
        "{% endfor %}{{ {n.l: 1} }}",
        "{% set n = namespace(l=[1]) %}{% for i in range(99999) %}{% set n.l = [n.l] %}"
        "{% endfor %}",
        "{% set n = namespace(l={}) %}{% for i in range(99999) %}{% set n.l = {'a': n.l} %}"
        "{% endfor %}",
        "{% set n = namespace() %}{% for i in range(99999) %}{% set n.m = 'x'.join %}"
        "{% set n.m = [n.m].count %}{% for j in range(200) %}{% set n.m = [n.m].count %}"
        "{% endfor %}{% endfor %}",
        "{{ '%999999999d' % 1 }}", "{{ '%.999999999f' % 1.5 }}", "{{ '{:>99999999}'.format(1) }}",
        "{{ 'a'.ljust(10**12) }}", "{{ 'a'.zfill(10**12) }}", "{{ 'a' | center(10**12) }}",
        "{{ [1] | batch(10**15, 0) | list }}", "{{ [1] | slice(10**15) | list }}",
        "{{ [[1]] | tojson(indent=10**9) }}", "{{ 'a\n' * 9 | indent(10**9) }}",
        "{{ ('a' * 10**6).replace('', 'b' * 10**6) }}",
        "{{ ('a' * 10**6) | replace('a', 'b' * 10**6) }}", "{{ ('b' * 10**6).join('a' * 10**6) }}",
        "{{ (['a'] * 10**6) | join('b' * 10**6) }}",
        "{% for i in range(99999) %}{{ 'a' * 1000000 }}{% endfor %}",
        "{% for i in range(99999) recursive %}{{ loop([i]) }}{% endfor %}",
        "{% set n = namespace(s='') %}{% for i in range(99999) %}{% set n.s = n.s ~ 'abcdefghij' "
        "%}{{ n.s }}{% endfor %}",
        "{{ -170141183460469231731687303715884105728 }}",
        "{{ (-170141183460469231731687303715884105727 - 1) // -1 }}",
        "{{ 99999999999999999999999999999999999999999 }}", "{{ 1e308 | int }} {{ 1 % 0 }}",
        "{{ 1 // 0 }}", "{{ 1.0 // 0 }}", "{{ 'abc'[::0] }}", "{{ 'abc'[10**30:] }}"));

TEST(ChatTemplateLimits, DeepSyntaxIsRefused) {
  for (const char* const open : {"(", "[", "{1:", "-", "not ", "f(", "a[", "a if b else "}) {
    EXPECT_THAT(error_of("{{ " + repeated(open, 100000)), testing::StartsWith("t: line 1: "))
        << open;
  }
  for (const char* const chain : {"+a", "|e", ".a", "[0]", "()", " and a", " is a", "**a"}) {
    EXPECT_THAT(error_of("{{ a" + repeated(chain, 50000) + " }}"),
                testing::StartsWith("t: line 1: "))
        << chain;
  }
  EXPECT_THAT(error_of(repeated("{% if 1 %}", 50000)), testing::HasSubstr("nested deeper"));
  EXPECT_THAT(error_of(repeated("{% for a in b %}", 50000)), testing::HasSubstr("nested deeper"));
  const std::string chain = "a" + repeated("+a", 200);
  std::string nested = chain;
  for (int i = 0; i < 100; ++i) nested = "f(" + chain + ", " + nested + ")";
  EXPECT_THAT(error_of("{{ " + nested + " }}"), testing::HasSubstr("levels"));
}

TEST(ChatTemplateLimits, LongButFlatTemplatesAreFine) {
  EXPECT_EQ(render(repeated("{{ 'a' }}", 20000)).size(), 20000U);
  EXPECT_EQ(render("{{ 'a'" + repeated(" ~ 'a'", 20000) + " }}").size(), 20001U);
  EXPECT_EQ(render(repeated("{% if false %}{% elif true %}x{% endif %}", 5000)).size(), 5000U);
}

TEST(ChatTemplateLimits, CyclesAreFreed) {  // seen by the leak checker of a sanitized build
  EXPECT_EQ(render("{% set n = namespace() %}{% set n.self = n %}{% set n.list = [n] %}ok"), "ok");
  EXPECT_EQ(render("{% for x in [1] recursive %}{% set y = loop %}{% if loop.changed([loop]) %}"
                   "{% macro f() %}{{ y }}{{ f }}{% endmacro %}ok{% endif %}{% endfor %}"),
            "ok");
  EXPECT_EQ(render("{% set n = namespace(p=none) %}{% for i in range(5000) %}"
                   "{% set n = namespace(p=n) %}{% endfor %}ok"),
            "ok");
  EXPECT_EQ(render("{% set n = namespace(f=none) %}{% for i in range(5000) %}{% set before = n.f %}"
                   "{% macro f() %}{{ before }}{% endmacro %}{% set n.f = f %}{% endfor %}ok"),
            "ok");
}

TEST(ChatTemplateLimits, SizesOfLimitsAreKept) {
  jinja::Limits limits;
  limits.output = 10;
  EXPECT_EQ(render("{{ 'a' * 10 }}", limits), "aaaaaaaaaa");
  EXPECT_THAT(error_of("{{ 'a' * 11 }}", limits), testing::HasSubstr("more than 10 bytes"));
  EXPECT_THAT(error_of("{% set x %}{{ 'a' * 9 }}{% endset %}{{ x }}{{ x }}", limits),
              testing::HasSubstr("more than 10 bytes"));
  limits = {};
  limits.steps = 1000;
  EXPECT_THAT(error_of("{% for i in range(2000) %}{% endfor %}", limits),
              testing::HasSubstr("more than 1000 steps"));
}

}  // namespace
}  // namespace tandem
