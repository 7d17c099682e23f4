// What the ops on shared memory refuse.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

// A slot is one tile of its buffer.
func.func @type_of_slot(%m: !tilegpu.memdesc<slots = 2, 16x64xf16, #tilegpu.shared<swizzle = 128>>, %i: i32) {
  // expected-error @+1 {{expects a slot of type '!tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 128>>', but got '!tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>'}}
  %0 = tilegpu.slot %m[%i] : !tilegpu.memdesc<slots = 2, 16x64xf16, #tilegpu.shared<swizzle = 128>> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

// A read tile has a layout.
func.func @load_without_layout(%m: !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>) {
  // expected-error @+1 {{expects tile to have a #tilegpu.layout, but got 'tensor<16x64xf16>'}}
  %0 = tilegpu.local_load %m [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16>
  return
}

// -----

#rows = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// A read names its slot.
func.func @load_from_buffer(%m: !tilegpu.memdesc<slots = 2, 16x64xf16, #tilegpu.shared<swizzle = 0>>) {
  // expected-error @+1 {{expects one slot, but got '!tilegpu.memdesc<slots = 2, 16x64xf16, #tilegpu.shared<swizzle = 0>>'}}
  %0 = tilegpu.local_load %m [0, 0] : !tilegpu.memdesc<slots = 2, 16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #rows>
  return
}

// -----

#rows = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// A read does not convert.
func.func @type_of_load(%m: !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>) {
  // expected-error @+1 {{expects a tile and offsets of the memory's rank and element type}}
  %0 = tilegpu.local_load %m [0, 0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xbf16, #rows>
  return
}

// -----

#rows = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// A read has an offset a dimension.
func.func @offsets_of_load(%m: !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>) {
  // expected-error @+1 {{expects a tile and offsets of the memory's rank and element type}}
  %0 = tilegpu.local_load %m [0] : !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #rows>
  return
}

// -----

#rows = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// A read stays within its tile.
func.func @extent_of_load(%m: !tilegpu.memdesc<16x96xf16, #tilegpu.shared<swizzle = 0>>) {
  // expected-error @+1 {{expects the part to lie within extent 96, but got 64 .. 128}}
  %0 = tilegpu.local_load %m [0, 64] : !tilegpu.memdesc<16x96xf16, #tilegpu.shared<swizzle = 0>> -> tensor<16x64xf16, #rows>
  return
}

// -----

// A written tile has a layout.
func.func @store_without_layout(%t: tensor<16x64xf16>, %m: !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>) {
  // expected-error @+1 {{expects tile to have a #tilegpu.layout, but got 'tensor<16x64xf16>'}}
  tilegpu.local_store %t, %m : tensor<16x64xf16>, !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

#rows = #tilegpu.layout<blocked 8, shape = [16, 64], warps = [1]>

// A write fills the memory's tile.
func.func @shape_of_store(%t: tensor<16x64xf16, #rows>, %m: !tilegpu.memdesc<16x128xf16, #tilegpu.shared<swizzle = 0>>) {
  // expected-error @+1 {{expects memory of the tile's shape and element type}}
  tilegpu.local_store %t, %m : tensor<16x64xf16, #rows>, !tilegpu.memdesc<16x128xf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

// A copy names its slot.
func.func @copy_to_buffer(%v: !tile.view<64x64xf16, strides = [64, 1], align = 16>, %i: i32, %m: !tilegpu.memdesc<slots = 2, 16x64xf16, #tilegpu.shared<swizzle = 0>>) {
  // expected-error @+1 {{expects one slot, but got}}
  tilegpu.async_copy %v[%i, %i] to %m : !tile.view<64x64xf16, strides = [64, 1], align = 16> -> !tilegpu.memdesc<slots = 2, 16x64xf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

// A copy does not convert.
func.func @type_of_copy(%v: !tile.view<64x64xf16, strides = [64, 1], align = 16>, %i: i32, %m: !tilegpu.memdesc<16x64xbf16, #tilegpu.shared<swizzle = 0>>) {
  // expected-error @+1 {{expects memory of the view's rank and element type and an offset a dimension}}
  tilegpu.async_copy %v[%i, %i] to %m : !tile.view<64x64xf16, strides = [64, 1], align = 16> -> !tilegpu.memdesc<16x64xbf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

// A copy has an offset a dimension.
func.func @offsets_of_copy(%v: !tile.view<64x64xf16, strides = [64, 1], align = 16>, %i: i32, %m: !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>) {
  // expected-error @+1 {{expects memory of the view's rank and element type and an offset a dimension}}
  tilegpu.async_copy %v[%i] to %m : !tile.view<64x64xf16, strides = [64, 1], align = 16> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

// Copies move 16 bytes at a time.
func.func @rows_of_copy(%v: !tile.view<64x64xf16, strides = [64, 1], align = 16>, %i: i32, %m: !tilegpu.memdesc<16x12xf16, #tilegpu.shared<swizzle = 0>>) {
  // expected-error @+1 {{expects rows of a multiple of 16 bytes, but got 24}}
  tilegpu.async_copy %v[%i, %i] to %m : !tile.view<64x64xf16, strides = [64, 1], align = 16> -> !tilegpu.memdesc<16x12xf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

// A wait leaves no negative number of groups in flight.
func.func @pending_of_wait() {
  // expected-error @+1 {{value is non-negative}}
  tilegpu.async_wait -1
  return
}

// -----

#indices = #tilegpu.layout<register = [[4, 0], [8, 0]], lane = [[0, 0], [0, 0], [0, 0], [1, 0], [2, 0]], warp = [], repeat = [1, 1]>

// A gather fills one slot.
func.func @slots_of_gather(%v: !tile.view<?x64xf16, strides = [64, 1], align = 16>, %r: tensor<16x1xi32, #indices>, %i: i32, %m: !tilegpu.memdesc<slots = 2, 16x64xf16, #tilegpu.shared<swizzle = 128>>) {
  // expected-error @+1 {{expects one slot, but got}}
  tilegpu.async_gather %v[%r, %i] to %m : !tile.view<?x64xf16, strides = [64, 1], align = 16>, tensor<16x1xi32, #indices> -> !tilegpu.memdesc<slots = 2, 16x64xf16, #tilegpu.shared<swizzle = 128>>
  return
}

// -----

#indices = #tilegpu.layout<register = [[4, 0], [8, 0]], lane = [[0, 0], [0, 0], [0, 0], [1, 0], [2, 0]], warp = [], repeat = [1, 1]>

// A gather does not convert.
func.func @type_of_gather(%v: !tile.view<?x64xf16, strides = [64, 1], align = 16>, %r: tensor<16x1xi32, #indices>, %i: i32, %m: !tilegpu.memdesc<16x64xbf16, #tilegpu.shared<swizzle = 128>>) {
  // expected-error @+1 {{expects a view and memory of rank 2 and one element type, but got}}
  tilegpu.async_gather %v[%r, %i] to %m : !tile.view<?x64xf16, strides = [64, 1], align = 16>, tensor<16x1xi32, #indices> -> !tilegpu.memdesc<16x64xbf16, #tilegpu.shared<swizzle = 128>>
  return
}

// -----

#indices = #tilegpu.layout<register = [[4, 0], [8, 0]], lane = [[0, 0], [0, 0], [0, 0], [1, 0], [2, 0]], warp = [], repeat = [1, 1]>

// A row is consecutive.
func.func @strides_of_gather(%v: !tile.view<?x64xf16, strides = [1, 64], align = 16>, %r: tensor<16x1xi32, #indices>, %i: i32, %m: !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 128>>) {
  // expected-error @+1 {{expects rows of consecutive elements, but got}}
  tilegpu.async_gather %v[%r, %i] to %m : !tile.view<?x64xf16, strides = [1, 64], align = 16>, tensor<16x1xi32, #indices> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 128>>
  return
}

// -----

#indices = #tilegpu.layout<register = [[4, 0], [8, 0]], lane = [[0, 0], [0, 0], [0, 0], [1, 0], [2, 0]], warp = [], repeat = [1, 1]>

// Rows travel in 16 bytes.
func.func @width_of_gather(%v: !tile.view<?x64xf16, strides = [64, 1], align = 16>, %r: tensor<16x1xi32, #indices>, %i: i32, %m: !tilegpu.memdesc<16x12xf16, #tilegpu.shared<swizzle = 0>>) {
  // expected-error @+1 {{expects rows of a multiple of 16 bytes, but got 24}}
  tilegpu.async_gather %v[%r, %i] to %m : !tile.view<?x64xf16, strides = [64, 1], align = 16>, tensor<16x1xi32, #indices> -> !tilegpu.memdesc<16x12xf16, #tilegpu.shared<swizzle = 0>>
  return
}

// -----

#indices = #tilegpu.layout<register = [[8, 0], [4, 0]], lane = [[0, 0], [0, 0], [0, 0], [1, 0], [2, 0]], warp = [], repeat = [1, 1]>

// A thread has the indices of the rows it copies.
func.func @layout_of_gather(%v: !tile.view<?x64xf16, strides = [64, 1], align = 16>, %r: tensor<16x1xi32, #indices>, %i: i32, %m: !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 128>>) {
  // expected-error @+1 {{expects rows of 'tensor<16x1xi32, #tilegpu.layout<register = }}
  tilegpu.async_gather %v[%r, %i] to %m : !tile.view<?x64xf16, strides = [64, 1], align = 16>, tensor<16x1xi32, #indices> -> !tilegpu.memdesc<16x64xf16, #tilegpu.shared<swizzle = 128>>
  return
}
