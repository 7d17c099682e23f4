# Language, linker and LLVM/MLIR set-up shared by every target; the LLVM version
# comes from TilewrightCompiler.cmake.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

# -fPIC by hand: with CMAKE_POSITION_INDEPENDENT_CODE executables become PIE
# and the precompiled header of a library is refused ("is pie differs").
add_compile_options(-fPIC)
add_compile_options(-fvisibility=hidden -fvisibility-inlines-hidden)
# The shipped libraries are optimised for size of code paths we own; asserts
# stay on so that a broken invariant stops a test instead of passing it.
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
set(CMAKE_C_FLAGS_RELEASE "-O2")

find_program(TILEWRIGHT_LLD NAMES ld.lld-${TILEWRIGHT_LLVM_MAJOR} ld.lld)
if(TILEWRIGHT_LLD)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    add_link_options(--ld-path=${TILEWRIGHT_LLD})
  elseif(TILEWRIGHT_LLD MATCHES "ld.lld$")
    add_link_options(-fuse-ld=lld)
  endif()
endif()
add_link_options(-Wl,--gc-sections)
add_compile_options(-ffunction-sections -fdata-sections)

find_program(TILEWRIGHT_CCACHE ccache)
if(TILEWRIGHT_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${TILEWRIGHT_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
endif()

if(TILEWRIGHT_SANITIZE)
  # -g1: stacks name lines; nobody looks at variables.
  add_compile_options(-fsanitize=${TILEWRIGHT_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${TILEWRIGHT_SANITIZE})
  # An undefined operation ends the run, as an address error does.
  add_compile_options(-fno-sanitize-recover=all)
endif()
if(TILEWRIGHT_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "TILEWRIGHT_FUZZ needs clang, but the compiler is ${CMAKE_CXX_COMPILER_ID}")
  endif()
  # Coverage for libFuzzer in every file; the targets of test/fuzz link its main().
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(TILEWRIGHT_LLVM_CONFIG NAMES llvm-config-${TILEWRIGHT_LLVM_MAJOR} llvm-config)
if(TILEWRIGHT_LLVM_CONFIG)
  execute_process(COMMAND ${TILEWRIGHT_LLVM_CONFIG} --prefix
                  OUTPUT_VARIABLE _llvm_prefix OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
if(TILEWRIGHT_ENABLE_COMPILER)
  find_package(MLIR ${TILEWRIGHT_LLVM_VERSION} REQUIRED CONFIG HINTS ${_llvm_prefix})
  list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
  include(TableGen)
  include(AddLLVM)
  include(AddMLIR)
else()
  find_package(LLVM ${TILEWRIGHT_LLVM_VERSION} REQUIRED CONFIG HINTS ${_llvm_prefix})
endif()

# The exported MLIR targets name the shared libLLVM beside the archives; a
# static link would then hold two LLVMs. Name the archive all of them need.
function(_tilewright_drop_shared_llvm)
  foreach(target IN LISTS MLIR_EXPORTED_TARGETS LLVM_EXPORTED_TARGETS)
    if(NOT TARGET ${target})
      continue()
    endif()
    get_target_property(links ${target} INTERFACE_LINK_LIBRARIES)
    if(links)
      list(TRANSFORM links REPLACE "^LLVM$" LLVMSupport)
      set_target_properties(${target} PROPERTIES INTERFACE_LINK_LIBRARIES "${links}")
    endif()
  endforeach()
endfunction()
_tilewright_drop_shared_llvm()
