# The extension for another Python on another machine: `make gpu-bundle`.
#
# TILEWRIGHT_PORTABLE_PYTHON names an interpreter with headers. The extension is for its
# version alone (pybind11 does not use the stable ABI) and brings the C++ runtime library
# and what LLVM needs along: of the other machine it asks for glibc, no older than here.
set(TILEWRIGHT_PORTABLE_PYTHON "" CACHE FILEPATH "Interpreter that gpu-bundle's extension is for")
if(NOT TILEWRIGHT_PORTABLE_PYTHON)
  return()
endif()

execute_process(
  COMMAND ${TILEWRIGHT_PORTABLE_PYTHON} -c "import sysconfig
print(sysconfig.get_path('include'), sysconfig.get_config_var('EXT_SUFFIX'), sep=';')"
  OUTPUT_VARIABLE portable OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
list(GET portable 0 portable_include)
list(GET portable 1 portable_suffix)

add_library(TilewrightPortable MODULE EXCLUDE_FROM_ALL ${sources})
tilewright_configure_extension(TilewrightPortable)
target_include_directories(TilewrightPortable SYSTEM PRIVATE "${portable_include}")
target_link_libraries(TilewrightPortable PRIVATE pybind11::headers)
target_link_options(TilewrightPortable PRIVATE
  -static-libstdc++ -static-libgcc -Wl,--as-needed
  "LINKER:--push-state,--whole-archive,-l:libz.a,-l:libzstd.a,--pop-state")
set_target_properties(TilewrightPortable PROPERTIES
  PREFIX "" SUFFIX "${portable_suffix}" OUTPUT_NAME _native
  CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
  LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/portable")
