// Each constraint of nn.append_cache.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

// C1: something must be appended or rotated.
func.func @c1_nothing(%n: tensor<2xi32>) {
  // expected-error @+1 {{expects keys, queries or both, but got neither}}
  %r0 = nn.append_cache lengths %n : tensor<2xi32> -> tensor<2xi32>
  return
}

// -----

// C1: values are found by their keys.
func.func @c1_values(%n: tensor<2xi32>, %v: tensor<2x3x4x64xf16>, %c: tensor<2x9x4x64xf16>, %x: tensor<?x16xf32>) {
  // expected-error @+1 {{expects values beside keys, but got them alone}}
  %r0, %r1 = nn.append_cache lengths %n : tensor<2xi32> values %v into %c : tensor<2x3x4x64xf16>, tensor<2x9x4x64xf16> queries %v : tensor<2x3x4x64xf16> rotary %x, %x : tensor<?x16xf32>, tensor<?x16xf32> -> tensor<2x9x4x64xf16>, tensor<2x3x4x64xf16>
  return
}

// -----

// C2: dimensions have their meaning by position.
func.func @c2_rank(%n: tensor<2xi32>, %k: tensor<3x4x64xf16>, %c: tensor<2x9x4x64xf16>) {
  // expected-error @+1 {{expects k to be a tensor of f16 or bf16, one dtype for all, batch x tokens x heads x head size with static heads and head size, but got 'tensor<3x4x64xf16>'}}
  %r0 = nn.append_cache lengths %n : tensor<2xi32> keys %k into %c : tensor<3x4x64xf16>, tensor<2x9x4x64xf16> -> tensor<2x9x4x64xf16>
  return
}

// -----

// C2: one token is one for keys and values.
func.func @c2_tokens(%n: tensor<2xi32>, %k: tensor<2x3x4x64xf16>, %v: tensor<2x1x4x64xf16>, %c: tensor<2x9x4x64xf16>, %d: tensor<2x9x4x64xf16>) {
  // expected-error @+1 {{expects v to have the batch and tokens of 'tensor<2x3x4x64xf16>', but got 'tensor<2x1x4x64xf16>'}}
  %r0, %r1 = nn.append_cache lengths %n : tensor<2xi32> keys %k into %c : tensor<2x3x4x64xf16>, tensor<2x9x4x64xf16> values %v into %d : tensor<2x1x4x64xf16>, tensor<2x9x4x64xf16> -> tensor<2x9x4x64xf16>, tensor<2x9x4x64xf16>
  return
}

// -----

// C2: heads of values are those of keys.
func.func @c2_heads(%n: tensor<2xi32>, %k: tensor<2x3x4x64xf16>, %v: tensor<2x3x2x64xf16>, %c: tensor<2x9x4x64xf16>, %d: tensor<2x9x2x64xf16>) {
  // expected-error @+1 {{expects v to have the heads of k, but got 'tensor<2x3x2x64xf16>' for 'tensor<2x3x4x64xf16>'}}
  %r0, %r1 = nn.append_cache lengths %n : tensor<2xi32> keys %k into %c : tensor<2x3x4x64xf16>, tensor<2x9x4x64xf16> values %v into %d : tensor<2x3x2x64xf16>, tensor<2x9x2x64xf16> -> tensor<2x9x4x64xf16>, tensor<2x9x2x64xf16>
  return
}

// -----

// C3: heads are whole 16-byte pieces.
func.func @c3_size(%n: tensor<2xi32>, %k: tensor<2x3x4x12xf16>, %c: tensor<2x9x4x12xf16>) {
  // expected-error @+1 {{expects the head size of k to be a multiple of 8 from 8 to 1024, but got 12}}
  %r0 = nn.append_cache lengths %n : tensor<2xi32> keys %k into %c : tensor<2x3x4x12xf16>, tensor<2x9x4x12xf16> -> tensor<2x9x4x12xf16>
  return
}

// -----

// C4: nothing is converted on the way but to codes.
func.func @c4_dtype(%n: tensor<2xi32>, %k: tensor<2x3x4x64xf16>, %c: tensor<2x9x4x64xf32>) {
  // expected-error @+1 {{expects k_cache to have rank 4 and the dtype of its rows, f8E4M3FN, f8E5M2, i8 or ui8, but got 'tensor<2x9x4x64xf32>' for 'tensor<2x3x4x64xf16>'}}
  %r0 = nn.append_cache lengths %n : tensor<2xi32> keys %k into %c : tensor<2x3x4x64xf16>, tensor<2x9x4x64xf32> -> tensor<2x9x4x64xf32>
  return
}

// -----

// C4: a row of the cache holds a token.
func.func @c4_heads(%n: tensor<2xi32>, %k: tensor<2x3x4x64xf16>, %c: tensor<2x9x8x64xf16>) {
  // expected-error @+1 {{expects k_cache to have the heads and the head size of its rows, half of that where it is ui8, but got 'tensor<2x9x8x64xf16>'}}
  %r0 = nn.append_cache lengths %n : tensor<2xi32> keys %k into %c : tensor<2x3x4x64xf16>, tensor<2x9x8x64xf16> -> tensor<2x9x8x64xf16>
  return
}

// -----

// C4: without pages a sequence has its own rows.
func.func @c4_batch(%n: tensor<2xi32>, %k: tensor<2x3x4x64xf16>, %c: tensor<5x9x4x64xf16>) {
  // expected-error @+1 {{expects k_cache to have the batch of its rows, but got 'tensor<5x9x4x64xf16>'}}
  %r0 = nn.append_cache lengths %n : tensor<2xi32> keys %k into %c : tensor<2x3x4x64xf16>, tensor<5x9x4x64xf16> -> tensor<5x9x4x64xf16>
  return
}

// -----

// C4: one place serves both caches.
func.func @c4_both(%n: tensor<2xi32>, %k: tensor<2x3x4x64xf16>, %c: tensor<2x9x4x64xf16>, %d: tensor<2x8x4x64xf16>) {
  // expected-error @+1 {{expects caches that agree in all but the last extent, but got 'tensor<2x9x4x64xf16>' and 'tensor<2x8x4x64xf16>'}}
  %r0, %r1 = nn.append_cache lengths %n : tensor<2xi32> keys %k into %c : tensor<2x3x4x64xf16>, tensor<2x9x4x64xf16> values %k into %d : tensor<2x3x4x64xf16>, tensor<2x8x4x64xf16> -> tensor<2x9x4x64xf16>, tensor<2x8x4x64xf16>
  return
}

// -----

// C5: a length for each sequence.
func.func @c5_lengths(%n: tensor<3xi32>, %k: tensor<2x3x4x64xf16>, %c: tensor<2x9x4x64xf16>) {
  // expected-error @+1 {{expects lengths of type 'tensor<2xi32>', but got 'tensor<3xi32>'}}
  %r0 = nn.append_cache lengths %n : tensor<3xi32> keys %k into %c : tensor<2x3x4x64xf16>, tensor<2x9x4x64xf16> -> tensor<2x9x4x64xf16>
  return
}

// -----

// C5: pages are numbers.
func.func @c5_pages(%n: tensor<2xi32>, %k: tensor<2x3x4x64xf16>, %c: tensor<5x9x4x64xf16>, %t: tensor<2x7xi64>) {
  // expected-error @+1 {{expects page_table of i32, batch x pages of a sequence, but got 'tensor<2x7xi64>'}}
  %r0 = nn.append_cache lengths %n : tensor<2xi32> keys %k into %c : tensor<2x3x4x64xf16>, tensor<5x9x4x64xf16> pages %t : tensor<2x7xi64> -> tensor<5x9x4x64xf16>
  return
}

// -----

// C6: queries are there to be rotated.
func.func @c6_queries(%n: tensor<2xi32>, %q: tensor<2x3x4x64xf16>) {
  // expected-error @+1 {{expects rotary tables for queries}}
  %r0 = nn.append_cache lengths %n : tensor<2xi32> queries %q : tensor<2x3x4x64xf16> -> tensor<2x3x4x64xf16>
  return
}

// -----

// C6: the tables are alike.
func.func @c6_tables(%n: tensor<2xi32>, %q: tensor<2x3x4x64xf16>, %x: tensor<?x32xf32>, %y: tensor<?x32xf16>) {
  // expected-error @+1 {{expects cos and sin of one type, positions x half of the rotated columns, of f32 or 'f16', but got 'tensor<?x32xf32>' and 'tensor<?x32xf16>'}}
  %r0 = nn.append_cache lengths %n : tensor<2xi32> queries %q : tensor<2x3x4x64xf16> rotary %x, %y : tensor<?x32xf32>, tensor<?x32xf16> -> tensor<2x3x4x64xf16>
  return
}

// -----

// C6: halves are whole 16-byte pieces.
func.func @c6_size(%n: tensor<2xi32>, %q: tensor<2x3x4x64xf16>, %x: tensor<?x12xf32>) {
  // expected-error @+1 {{expects a multiple of 16 rotated columns, but got 24}}
  %r0 = nn.append_cache lengths %n : tensor<2xi32> queries %q : tensor<2x3x4x64xf16> rotary %x, %x : tensor<?x12xf32>, tensor<?x12xf32> -> tensor<2x3x4x64xf16>
  return
}

// -----

// C6: a head has the columns that are rotated.
func.func @c6_start(%n: tensor<2xi32>, %q: tensor<2x3x4x64xf16>, %x: tensor<?x16xf32>) {
  // expected-error @+1 {{expects rotated columns that start at a multiple of 8 and lie in the head, but got 40 to 72}}
  %r0 = nn.append_cache lengths %n : tensor<2xi32> queries %q : tensor<2x3x4x64xf16> rotary %x, %x : tensor<?x16xf32>, tensor<?x16xf32> from 40 -> tensor<2x3x4x64xf16>
  return
}

// -----

// C7: the results are the caches.
func.func @c7_results(%n: tensor<2xi32>, %k: tensor<2x3x4x64xf16>, %c: tensor<2x9x4x64xf16>) {
  // expected-error @+1 {{expects results of types 'tensor<2x9x4x64xf16>', but got 'tensor<2x3x4x64xf16>'}}
  %r0 = nn.append_cache lengths %n : tensor<2xi32> keys %k into %c : tensor<2x3x4x64xf16>, tensor<2x9x4x64xf16> -> tensor<2x3x4x64xf16>
  return
}

// -----

// C8: a schedule of another family says nothing here.
func.func @c8_schedule(%n: tensor<2xi32>, %k: tensor<2x3x4x64xf16>, %c: tensor<2x9x4x64xf16>) {
  // expected-error @+1 {{expects a schedule of family "append_cache", but got "attention"}}
  %r0 = nn.append_cache lengths %n : tensor<2xi32> keys %k into %c : tensor<2x3x4x64xf16>, tensor<2x9x4x64xf16> {schedule = #tile.schedule<"attention", {}>} -> tensor<2x9x4x64xf16>
  return
}

// -----

// C9: accesses are along the head.
func.func @c9_strides(%n: tensor<2xi32>, %k: tensor<2x3x4x64xf16>, %c: tensor<2x9x4x64xf16>) {
  // expected-error @+1 {{expects a last stride of 1 in the problem}}
  %r0 = nn.append_cache lengths %n : tensor<2xi32> keys %k into %c : tensor<2x3x4x64xf16>, tensor<2x9x4x64xf16> {problem = #nn.problem<dims = [<"B" = 2>], operands = [<"k", strides = [768, 256, 64, 2], align = 16>]>} -> tensor<2x9x4x64xf16>
  return
}

// -----

// C4: two integers are in a byte.
func.func @c4_pairs(%n: tensor<2xi32>, %k: tensor<2x3x4x64xf16>, %c: tensor<2x9x4x64xui8>, %s: tensor<2x9x4xf32>) {
  // expected-error @+1 {{expects k_cache to have the heads and the head size of its rows, half of that where it is ui8, but got 'tensor<2x9x4x64xui8>'}}
  %r0, %r1 = nn.append_cache lengths %n : tensor<2xi32> keys %k into %c : tensor<2x3x4x64xf16>, tensor<2x9x4x64xui8> key_scales %s : tensor<2x9x4xf32> -> tensor<2x9x4x64xui8>, tensor<2x9x4xf32>
  return
}

// -----

// C10: integers have no size of their own.
func.func @c10_none(%n: tensor<2xi32>, %k: tensor<2x3x4x64xf16>, %c: tensor<2x9x4x64xi8>) {
  // expected-error @+1 {{expects k_scales of a cache of integers, 'tensor<2x9x4x64xi8>'}}
  %r0 = nn.append_cache lengths %n : tensor<2xi32> keys %k into %c : tensor<2x3x4x64xf16>, tensor<2x9x4x64xi8> -> tensor<2x9x4x64xi8>
  return
}

// -----

// C10: a row and head has one scale.
func.func @c10_shape(%n: tensor<2xi32>, %k: tensor<2x3x4x64xf16>, %c: tensor<2x9x4x64xf8E4M3FN>, %s: tensor<2x4x9xf32>) {
  // expected-error @+1 {{expects k_scales of f32 or f16, one a row and head of 'tensor<2x9x4x64xf8E4M3FN>', but got 'tensor<2x4x9xf32>'}}
  %r0, %r1 = nn.append_cache lengths %n : tensor<2xi32> keys %k into %c : tensor<2x3x4x64xf16>, tensor<2x9x4x64xf8E4M3FN> key_scales %s : tensor<2x4x9xf32> -> tensor<2x9x4x64xf8E4M3FN>, tensor<2x4x9xf32>
  return
}

// -----

// C10: numbers that are stored as they are need none.
func.func @c10_halves(%n: tensor<2xi32>, %k: tensor<2x3x4x64xf16>, %c: tensor<2x9x4x64xf16>, %s: tensor<2x9x4xf32>) {
  // expected-error @+1 {{expects k_scales of a cache of 8-bit floats or integers, but there is none}}
  %r0, %r1 = nn.append_cache lengths %n : tensor<2xi32> keys %k into %c : tensor<2x3x4x64xf16>, tensor<2x9x4x64xf16> key_scales %s : tensor<2x9x4xf32> -> tensor<2x9x4x64xf16>, tensor<2x9x4xf32>
  return
}
