# The three functions that leaf CMake files use.
#
#   tilewright_add_library(<name> SOURCES <file>... [LINK <target>...] [MLIR])
#   tilewright_add_tablegen(<name> <file.td> OUTPUTS "<file> <flags>"...)
#   tilewright_add_unit_test(<name> SOURCES <file>... LINK <target>... [MLIR])
#
# Every target sees the repository root (and its mirror in the build tree) as
# include root, treats warnings as errors and is built without exceptions; the
# Python module, which must catch and throw, sets its own flags.

set(TILEWRIGHT_WARNINGS -Wall -Wextra -Werror -Wno-unused-parameter
    -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # What g++ 12 says of inlined LLVM containers, of googletest's macros in an `if`, of
  # unsigned values in generic code, and of moves that turn an Error into an Expected.
  list(APPEND TILEWRIGHT_WARNINGS -Wno-maybe-uninitialized -Wno-dangling-reference
       -Wno-array-bounds -Wno-stringop-overflow -Wno-restrict -Wno-comment -Wno-redundant-move
       -Wno-dangling-else -Wno-type-limits)
endif()

function(_tilewright_configure name)
  target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}" "${PROJECT_BINARY_DIR}")
  target_include_directories(${name} SYSTEM PUBLIC ${LLVM_INCLUDE_DIRS})
  target_compile_options(${name} PRIVATE ${TILEWRIGHT_WARNINGS} -fno-exceptions)
  target_compile_definitions(${name} PUBLIC ${LLVM_DEFINITIONS_LIST})
endfunction()

# The precompiled header every MLIR target shares: MLIR headers dominate the
# build (15 s a file without it, under 2 s with it).
function(_tilewright_use_pch name)
  if(NOT TARGET TilewrightPCH)
    file(WRITE "${PROJECT_BINARY_DIR}/TilewrightPCH.cpp.in" "// Holds the shared precompiled header.\n")
    file(COPY_FILE "${PROJECT_BINARY_DIR}/TilewrightPCH.cpp.in"
         "${PROJECT_BINARY_DIR}/TilewrightPCH.cpp" ONLY_IF_DIFFERENT)
    add_library(TilewrightPCH STATIC "${PROJECT_BINARY_DIR}/TilewrightPCH.cpp")
    _tilewright_configure(TilewrightPCH)
    target_include_directories(TilewrightPCH SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS})
    target_precompile_headers(TilewrightPCH PRIVATE "${PROJECT_SOURCE_DIR}/cmake/Precompiled.h")
    if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
      target_compile_options(TilewrightPCH PRIVATE -Xclang -fno-pch-timestamp)
    endif()
  endif()
  target_include_directories(${name} SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS})
  target_precompile_headers(${name} REUSE_FROM TilewrightPCH)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(${name} PRIVATE -Xclang -fno-pch-timestamp)
  endif()
endfunction()

function(tilewright_add_library name)
  cmake_parse_arguments(ARG "MLIR" "" "SOURCES;LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  _tilewright_configure(${name})
  if(ARG_MLIR)
    _tilewright_use_pch(${name})
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

# tilewright_add_tablegen(<target> <file.td> OUTPUTS "<file> <flags...>"...)
# Each output string is a file name followed by mlir-tblgen flags.
function(tilewright_add_tablegen name td)
  cmake_parse_arguments(ARG "" "" "OUTPUTS" ${ARGN})
  set(LLVM_TARGET_DEFINITIONS ${td})
  set(MLIR_TABLEGEN_FLAGS -I ${PROJECT_SOURCE_DIR} -I ${PROJECT_BINARY_DIR})
  set(TABLEGEN_OUTPUT)
  foreach(output IN LISTS ARG_OUTPUTS)
    separate_arguments(words UNIX_COMMAND "${output}")
    list(POP_FRONT words file)
    mlir_tablegen(${file} ${words} EXTRA_INCLUDES ${PROJECT_SOURCE_DIR} ${MLIR_INCLUDE_DIRS})
  endforeach()
  add_public_tablegen_target(${name})
endfunction()

function(tilewright_add_unit_test name)
  cmake_parse_arguments(ARG "MLIR" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  _tilewright_configure(${name})
  if(ARG_MLIR)
    _tilewright_use_pch(${name})
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/unit")
  add_test(NAME ${name} COMMAND ${name})
endfunction()
