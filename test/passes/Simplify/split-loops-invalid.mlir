// RUN: %tw-opt %s -tw-split-loops -verify-diagnostics

// Positions are i32, and so must be what counts them.
func.func @index(%n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // expected-error @+1 {{expects an i32 induction variable to split masks, but got 'index'}}
  scf.for %j = %c0 to %n step %c1 {
  } {tile.split_masks}
  return
}
