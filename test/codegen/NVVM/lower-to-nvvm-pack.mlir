// Codes to packed words.
// RUN: %tw-opt %s -tw-lower-to-nvvm -split-input-file -verify-diagnostics | FileCheck %s

#codes = #tilegpu.layout<mma_operand 1, shape = [128, 32], warps = [1, 1]>
#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2], [0, 0, 128], [0, 0, 256], [0, 0, 512]], lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>

// Of 8 bits two pairs fill a word: every code of the thread is widened once, and its
// words leave 16 bytes at a time; nothing moves between threads.
// CHECK-LABEL: llvm.func @bytes(
// CHECK-COUNT-128: llvm.zext
// CHECK-NOT: llvm.zext
// CHECK-COUNT-8: llvm.store {{.*}} : vector<4xi32>
// CHECK-NOT: nvvm.shfl
func.func @bytes(%c: tensor<128x32xi8, #codes>, %y: !tile.view<1x1x1024xi32, strides = [1024, 1024, 1], align = 16>) {
  %o = arith.constant 0 : i32
  %w = tile.pack %c bits 8 : tensor<128x32xi8, #codes> -> tensor<1x1x1024xi32, #words>
  tile.store %w, %y[%o, %o, %o] : tensor<1x1x1024xi32, #words>, !tile.view<1x1x1024xi32, strides = [1024, 1024, 1], align = 16>
  return
}

// -----

#blocked = #tilegpu.layout<blocked 4, shape = [128, 32], warps = [1]>
#words = #tilegpu.layout<register = [[0, 0, 1], [0, 0, 2]], lane = [[0, 0, 4], [0, 0, 8], [0, 0, 16], [0, 0, 32], [0, 0, 64]], warp = [], repeat = [1, 1, 1]>

// Codes must be where the words of their thread are.
func.func @elsewhere(%c: tensor<128x32xi8, #blocked>, %y: !tile.view<1x1x128xi32, strides = [128, 128, 1], align = 16>, %o: i32) {
  // expected-error @+2 {{expects codes where an operand of products has them and words where packed words are loaded, for 1 warps along N}}
  // expected-error @+1 {{failed to legalize operation 'tile.pack'}}
  %w = tile.pack %c bits 1 : tensor<128x32xi8, #blocked> -> tensor<1x1x128xi32, #words>
  tile.store %w, %y[%o, %o, %o] : tensor<1x1x128xi32, #words>, !tile.view<1x1x128xi32, strides = [128, 128, 1], align = 16>
  return
}
