//===- StubNvrtc.c - A compiler that only records ---------------------------===//
//
// Stands in for libnvrtc.so in tests: the PTX is a comment that repeats name,
// source and options. A source with "error" in it does not compile; the option
// "--bogus" is refused. Counts the programs that are alive.
//
//===----------------------------------------------------------------------===//
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))

struct program {
  char *source, *name;
  char ptx[1024], log[1024];
};

static int alive;

API int stubAlive(void) { return alive; }

API const char *nvrtcGetErrorString(int result) {
  return result == 5   ? "NVRTC_ERROR_INVALID_OPTION"
         : result == 6 ? "NVRTC_ERROR_COMPILATION"
                       : "NVRTC_ERROR_INVALID_INPUT";
}

API int nvrtcVersion(int *major, int *minor) {
  *major = 12;
  *minor = 7;
  return 0;
}

API int nvrtcCreateProgram(struct program **program, const char *source, const char *name,
                           int headerCount, const char *const *headers, const char *const *names) {
  if (headerCount || headers || names || !*source)
    return 3;
  *program = calloc(1, sizeof **program);
  (*program)->source = strdup(source);
  (*program)->name = strdup(name);
  ++alive;
  return 0;
}

API int nvrtcDestroyProgram(struct program **program) {
  free((*program)->source);
  free((*program)->name);
  free(*program);
  --alive;
  return 0;
}

API int nvrtcCompileProgram(struct program *program, int count, const char *const *options) {
  size_t used =
      snprintf(program->ptx, sizeof program->ptx, "// %s: %s", program->name, program->source);
  for (int i = 0; i < count; ++i) {
    if (strcmp(options[i], "--bogus") == 0) {
      strcpy(program->log, "unrecognized option --bogus\n");
      return 5;
    }
    used += snprintf(program->ptx + used, sizeof program->ptx - used, " %s", options[i]);
  }
  if (!strstr(program->source, "error"))
    return 0;
  snprintf(program->log, sizeof program->log, "%s(1): error: expected a \";\"\n", program->name);
  return 6;
}

API int nvrtcGetProgramLogSize(struct program *program, size_t *bytes) {
  *bytes = strlen(program->log) + 1;
  return 0;
}

API int nvrtcGetProgramLog(struct program *program, char *log) {
  strcpy(log, program->log);
  return 0;
}

#ifndef STUB_OLD
API int nvrtcGetPTXSize(struct program *program, size_t *bytes) {
  *bytes = strlen(program->ptx) + 1;
  return 0;
}
#endif

API int nvrtcGetPTX(struct program *program, char *ptx) {
  strcpy(ptx, program->ptx);
  return 0;
}
