# GCC 12 warns about its own AVX-512 intrinsics (their "undefined" operands), hence -Wno-*uninitialized.
# Kernel files say their instruction set by their name: *_avx2.cc, *_avx512.cc, *_vnni.cc, *_bf16.cc, *_amx.cc.
foreach(source ${TANDEM_SOURCES})
  if(source MATCHES "_avx2\\.cc$")
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c")
  elseif(source MATCHES "_avx512\\.cc$")
    set_source_files_properties(
      ${source} PROPERTIES COMPILE_OPTIONS
                           "-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mfma;-mf16c;-mprefer-vector-width=512;-Wno-uninitialized;-Wno-maybe-uninitialized")
  elseif(source MATCHES "_vnni\\.cc$")
    set_source_files_properties(
      ${source} PROPERTIES COMPILE_OPTIONS
                           "-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx512vnni;-mfma;-mf16c;-mprefer-vector-width=512;-Wno-uninitialized;-Wno-maybe-uninitialized")
  elseif(source MATCHES "_bf16\\.cc$")
    set_source_files_properties(
      ${source} PROPERTIES COMPILE_OPTIONS
                           "-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx512bf16;-mfma;-mf16c;-mprefer-vector-width=512;-Wno-uninitialized;-Wno-maybe-uninitialized")
  elseif(source MATCHES "_amx\\.cc$")
    set_source_files_properties(
      ${source} PROPERTIES COMPILE_OPTIONS
                           "-mamx-tile;-mamx-bf16;-mamx-int8;-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx512vnni;-mfma;-mf16c;-mprefer-vector-width=512;-Wno-uninitialized;-Wno-maybe-uninitialized")
  endif()
endforeach()
