// Too much shared memory is an error at the largest tile, before any code is
// generated.
// RUN: %tw-opt %s -tw-allocate-shared -split-input-file -verify-diagnostics

// sm_86 gives a block 99 KB: 96 KB and 4 KB are 1024 bytes too many.
module attributes {tile.target = "sm_86"} {
  func.func @too_much(%t: tensor<32x64xf16, #tilegpu.layout<blocked 8, shape = [32, 64], warps = [1]>>, %i: i32) attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
    %small = tilegpu.alloc : !tilegpu.memdesc<32x64xf16, #tilegpu.shared<swizzle = 0>>
    // expected-error @+1 {{expects at most 101376 bytes of shared memory a block on sm_86, but the program needs 102400 (1024 over); this tile takes 98304}}
    %large = tilegpu.alloc : !tilegpu.memdesc<slots = 24, 32x64xf16, #tilegpu.shared<swizzle = 0>>
    %slot = tilegpu.slot %large[%i] : !tilegpu.memdesc<slots = 24, 32x64xf16, #tilegpu.shared<swizzle = 0>> -> !tilegpu.memdesc<32x64xf16, #tilegpu.shared<swizzle = 0>>
    tilegpu.local_store %t, %slot : tensor<32x64xf16, #tilegpu.layout<blocked 8, shape = [32, 64], warps = [1]>>, !tilegpu.memdesc<32x64xf16, #tilegpu.shared<swizzle = 0>>
    tilegpu.local_store %t, %small : tensor<32x64xf16, #tilegpu.layout<blocked 8, shape = [32, 64], warps = [1]>>, !tilegpu.memdesc<32x64xf16, #tilegpu.shared<swizzle = 0>>
    return
  }
}

// -----

// A target has a limit only if it is known.
// expected-error @+1 {{sm_42}}
module attributes {tile.target = "sm_42"} {
  func.func @unknown_target() attributes {tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>} {
    return
  }
}
