// What tw-pipeline-loops refuses.
// RUN: %tw-opt %s -tw-pipeline-loops -split-input-file -verify-diagnostics

// Stages are counted from one.
func.func @no_stages() {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  // expected-error @+1 {{expects tile.stages to be a positive integer}}
  scf.for %i = %c0 to %c1 step %c1 : i32 {
  } {tile.stages = 0 : i32}
  return
}

// -----

// Stages are a number.
func.func @text_stages() {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  // expected-error @+1 {{expects tile.stages to be a positive integer}}
  scf.for %i = %c0 to %c1 step %c1 : i32 {
  } {tile.stages = "many"}
  return
}
