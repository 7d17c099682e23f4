// What tw-insert-barriers refuses.
// RUN: %tw-opt %s -tw-insert-barriers -split-input-file -verify-diagnostics

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// Hazards are between bytes: memory must come from an allocation.
func.func @argument(%m: !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  // expected-error @+1 {{expects memory from a tilegpu.alloc of the kernel}}
  %0 = tilegpu.local_load %m [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #t>
  return
}

// -----

#t = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// The analysis follows loops and branches; in what it does not follow it would
// miss hazards.
func.func @in_a_while(%t: tensor<16x64xf16, #t>, %again: i1) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
  %m = tilegpu.alloc at 0 : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  scf.while : () -> () {
    // expected-error @+1 {{expects shared memory to be used in scf.for and scf.if only, but got scf.while}}
    tilegpu.local_store %t, %m : tensor<16x64xf16, #t>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
    scf.condition(%again)
  } do {
    scf.yield
  }
  return
}
