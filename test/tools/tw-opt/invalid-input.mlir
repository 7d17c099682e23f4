// Bad input: a message and a failure, never a crash.
// RUN: not %tw-opt %t.does-not-exist 2>&1 | FileCheck %s --check-prefix=FILE
// RUN: not %tw-opt %s --tw-no-such-pass 2>&1 | FileCheck %s --check-prefix=PASS
// RUN: echo "func.func @f() { tile.no_such_op return }" | not %tw-opt - 2>&1 | FileCheck %s --check-prefix=OP
// RUN: echo "" | %tw-opt - --tw-pipeline | FileCheck %s --check-prefix=EMPTY

// FILE: does-not-exist
// PASS: tw-no-such-pass
// OP: error: {{.*}}tile.no_such_op
// EMPTY: module
