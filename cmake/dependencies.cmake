# All from Debian 12's packages; README.md names them.
find_package(Threads REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(SENTENCEPIECE REQUIRED IMPORTED_TARGET sentencepiece)
pkg_check_modules(LIBEDIT REQUIRED IMPORTED_TARGET libedit)

set(TANDEM_LIBRARIES nlohmann_json::nlohmann_json fmt::fmt spdlog::spdlog PkgConfig::PCRE2
                     PkgConfig::UTF8PROC PkgConfig::SENTENCEPIECE Threads::Threads)
set(TANDEM_CLI_LIBRARIES CLI11::CLI11 fmt::fmt PkgConfig::LIBEDIT)
