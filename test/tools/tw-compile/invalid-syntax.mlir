// What is not MLIR is reported where parsing stopped.
// RUN: not %tw-compile %s 2>&1 | FileCheck %s

// CHECK: invalid-syntax.mlir:[[@LINE+1]]:{{[0-9]+}}: expected
func.func @linear(%x: tensor<16x1024xf16) {
