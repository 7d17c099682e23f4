// Each constraint of nn.pack.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

// C1: codes are a matrix.
func.func @c1_rank(%c: tensor<1x64x256xi8>) {
  // expected-error @+1 {{expects codes to be a static rank-2 tensor of i8 with elements, but got 'tensor<1x64x256xi8>'}}
  %w = nn.pack %c bits 4 : tensor<1x64x256xi8> -> tensor<2x2x512xi32>
  return
}

// -----

// C1: a byte each.
func.func @c1_bytes(%c: tensor<64x256xi4>) {
  // expected-error @+1 {{expects codes to be a static rank-2 tensor of i8 with elements, but got 'tensor<64x256xi4>'}}
  %w = nn.pack %c bits 4 : tensor<64x256xi4> -> tensor<2x2x512xi32>
  return
}

// -----

// C2: width.
func.func @c2_bits(%c: tensor<64x256xi8>) {
  // expected-error @+1 {{expects codes of 1 to 8 bits, but got 9; the nearest is 8}}
  %w = nn.pack %c bits 9 : tensor<64x256xi8> -> tensor<2x2x1152xi32>
  return
}

// -----

// C2: storage.
func.func @c2_storage(%c: tensor<64x256xi8>) {
  // expected-error @+1 {{unknown storage 'plain'}}
  %w = nn.pack %c bits 4 as "plain" : tensor<64x256xi8> -> tensor<2x2x512xi32>
  return
}

// -----

// C2: planes are for activations of 16 bits.
func.func @c2_planes(%c: tensor<64x256xi8>) {
  // expected-error @+1 {{expects activations 16-bit with storage stack, but got 8-bit}}
  %w = nn.pack %c bits 4 as "stack" for "8-bit" : tensor<64x256xi8> -> tensor<4x2x2x128xi32>
  return
}

// -----

// C3: words are those of whole blocks.
func.func @c3(%c: tensor<65x256xi8>) {
  // expected-error @+1 {{expects words of type 'tensor<3x2x512xi32>', but got 'tensor<2x2x512xi32>'}}
  %w = nn.pack %c bits 4 : tensor<65x256xi8> -> tensor<2x2x512xi32>
  return
}

// -----

// C4: the family.
func.func @c4(%c: tensor<64x256xi8>) {
  // expected-error @+1 {{expects a schedule of family "pack", but got "matmul"}}
  %w = nn.pack %c bits 4 {schedule = #tile.schedule<"matmul", {}>} : tensor<64x256xi8> -> tensor<2x2x512xi32>
  return
}
