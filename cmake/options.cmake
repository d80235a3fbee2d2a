option(TANDEM_BUILD_TESTS "Build the tests" ON)
option(TANDEM_BUILD_BENCH "Build the micro-benchmarks" OFF)
set(TANDEM_SANITIZE "" CACHE STRING "Sanitizers for every target, as -fsanitize takes them (address,undefined | thread)")

# Flags of our own targets only. One arithmetic (docs/architecture.md): no contraction, no fast math.
add_library(tandem_flags INTERFACE)
target_compile_options(tandem_flags INTERFACE -Wall -Wextra -Wpedantic -Werror -Wshadow
                                              -Wnon-virtual-dtor -ffp-contract=off -pthread)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # "a" + std::to_string(n) warns of overlap where there is none (GCC bug 105651, mended in 13).
  target_compile_options(tandem_flags INTERFACE -Wno-restrict)
endif()
target_link_options(tandem_flags INTERFACE -pthread)
if(TANDEM_SANITIZE)
  target_compile_options(tandem_flags INTERFACE -fsanitize=${TANDEM_SANITIZE} -fno-sanitize-recover=all
                                                -fno-omit-frame-pointer)
  target_link_options(tandem_flags INTERFACE -fsanitize=${TANDEM_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Instrumented code hides initializations from this warning; the plain builds keep it.
    target_compile_options(tandem_flags INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
