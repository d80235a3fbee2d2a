option(TANDEM_BUILD_TESTS "Build the tests" ON)
option(TANDEM_BUILD_BENCH "Build the micro-benchmarks" OFF)
set(TANDEM_SANITIZE "" CACHE STRING "Sanitizers for every target, as -fsanitize takes them (address,undefined | thread)")

# Flags of our own targets only. One arithmetic (docs/architecture.md): no contraction, no fast math.
add_library(tandem_flags INTERFACE)
target_compile_options(tandem_flags INTERFACE -Wall -Wextra -Wpedantic -Werror -Wshadow
                                              -Wnon-virtual-dtor -ffp-contract=off -pthread)
target_link_options(tandem_flags INTERFACE -pthread)
if(TANDEM_SANITIZE)
  target_compile_options(tandem_flags INTERFACE -fsanitize=${TANDEM_SANITIZE} -fno-sanitize-recover=all
                                                -fno-omit-frame-pointer)
  target_link_options(tandem_flags INTERFACE -fsanitize=${TANDEM_SANITIZE})
endif()
