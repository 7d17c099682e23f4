# The LLVM version, and the compiler where the user named none.
#
# Read before project(). The version lives here and nowhere else:
# tools/setup/install.sh reads it from this file for the package names.
set(TILEWRIGHT_LLVM_VERSION 22.1)
string(REGEX MATCH "^[0-9]+" TILEWRIGHT_LLVM_MAJOR "${TILEWRIGHT_LLVM_VERSION}")

# clang of the same LLVM builds the MLIR side about four times faster than g++
# (its precompiled headers are cheaper); g++ 12 works too.
if(NOT CMAKE_CXX_COMPILER AND NOT DEFINED ENV{CXX} AND NOT DEFINED ENV{CC})
  find_program(TILEWRIGHT_CLANGXX clang++-${TILEWRIGHT_LLVM_MAJOR})
  find_program(TILEWRIGHT_CLANG clang-${TILEWRIGHT_LLVM_MAJOR})
  if(TILEWRIGHT_CLANGXX AND TILEWRIGHT_CLANG)
    set(CMAKE_C_COMPILER "${TILEWRIGHT_CLANG}")
    set(CMAKE_CXX_COMPILER "${TILEWRIGHT_CLANGXX}")
  endif()
endif()
