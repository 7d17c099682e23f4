// Each constraint of nn.merge_attention.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

// C1: each part has a log-sum-exp.
func.func @c1_count(%a: tensor<2x5x4x64xf16>, %b: tensor<2x5x4x64xf16>, %x: tensor<2x4x5xf32>) -> tensor<2x5x4x64xf16> {
  // expected-error @+1 {{expects 1 to 16 parts with as many log-sum-exps, but got 2 and 1}}
  %o = nn.merge_attention %a, %b : tensor<2x5x4x64xf16>, tensor<2x5x4x64xf16> lse %x : tensor<2x4x5xf32> -> tensor<2x5x4x64xf16>
  return %o : tensor<2x5x4x64xf16>
}

// -----

// C2: dimensions have their meaning by position.
func.func @c2_rank(%a: tensor<5x4x64xf16>, %x: tensor<2x4x5xf32>) -> tensor<5x4x64xf16> {
  // expected-error @+1 {{expects parts to be tensors of f16, bf16 or f32, batch x length x heads x head size with static heads and head size, but got 'tensor<5x4x64xf16>'}}
  %o = nn.merge_attention %a : tensor<5x4x64xf16> lse %x : tensor<2x4x5xf32> -> tensor<5x4x64xf16>
  return %o : tensor<5x4x64xf16>
}

// -----

// C2: parts are what attention gives.
func.func @c2_dtype(%a: tensor<2x5x4x64xi8>, %x: tensor<2x4x5xf32>) -> tensor<2x5x4x64xi8> {
  // expected-error @+1 {{expects parts to be tensors of f16, bf16 or f32}}
  %o = nn.merge_attention %a : tensor<2x5x4x64xi8> lse %x : tensor<2x4x5xf32> -> tensor<2x5x4x64xi8>
  return %o : tensor<2x5x4x64xi8>
}

// -----

// C2: heads are part of the kernel.
func.func @c2_static(%a: tensor<2x5x?x64xf16>, %x: tensor<2x4x5xf32>) -> tensor<2x5x?x64xf16> {
  // expected-error @+1 {{with static heads and head size, but got 'tensor<2x5x?x64xf16>'}}
  %o = nn.merge_attention %a : tensor<2x5x?x64xf16> lse %x : tensor<2x4x5xf32> -> tensor<2x5x?x64xf16>
  return %o : tensor<2x5x?x64xf16>
}

// -----

// C2: parts are alike.
func.func @c2_same(%a: tensor<2x5x4x64xf16>, %b: tensor<2x5x4x64xbf16>, %x: tensor<2x4x5xf32>, %y: tensor<2x4x5xf32>) -> tensor<2x5x4x64xf16> {
  // expected-error @+1 {{expects parts of one type, but got 'tensor<2x5x4x64xf16>' and 'tensor<2x5x4x64xbf16>'}}
  %o = nn.merge_attention %a, %b : tensor<2x5x4x64xf16>, tensor<2x5x4x64xbf16> lse %x, %y : tensor<2x4x5xf32>, tensor<2x4x5xf32> -> tensor<2x5x4x64xf16>
  return %o : tensor<2x5x4x64xf16>
}

// -----

// C3: heads come before rows.
func.func @c3_order(%a: tensor<2x5x4x64xf16>, %x: tensor<2x5x4xf32>) -> tensor<2x5x4x64xf16> {
  // expected-error @+1 {{expects log-sum-exps of type 'tensor<2x4x5xf32>', but got 'tensor<2x5x4xf32>'}}
  %o = nn.merge_attention %a : tensor<2x5x4x64xf16> lse %x : tensor<2x5x4xf32> -> tensor<2x5x4x64xf16>
  return %o : tensor<2x5x4x64xf16>
}

// -----

// C3: weights need f32.
func.func @c3_dtype(%a: tensor<2x5x4x64xf16>, %x: tensor<2x4x5xf16>) -> tensor<2x5x4x64xf16> {
  // expected-error @+1 {{expects log-sum-exps of type 'tensor<2x4x5xf32>', but got 'tensor<2x4x5xf16>'}}
  %o = nn.merge_attention %a : tensor<2x5x4x64xf16> lse %x : tensor<2x4x5xf16> -> tensor<2x5x4x64xf16>
  return %o : tensor<2x5x4x64xf16>
}

// -----

// C4: o has the shape of a part.
func.func @c4_shape(%a: tensor<2x5x4x64xf16>, %x: tensor<2x4x5xf32>) -> tensor<2x5x4x32xf16> {
  // expected-error @+1 {{expects o of the shape of the parts, of f16, bf16 or f32, but got 'tensor<2x5x4x32xf16>'}}
  %o = nn.merge_attention %a : tensor<2x5x4x64xf16> lse %x : tensor<2x4x5xf32> -> tensor<2x5x4x32xf16>
  return %o : tensor<2x5x4x32xf16>
}

// -----

// C4: lse is one of them.
func.func @c4_lse(%a: tensor<2x5x4x64xf16>, %x: tensor<2x4x5xf32>) -> tensor<2x5x4x64xf16> {
  // expected-error @+1 {{expects lse of type 'tensor<2x4x5xf32>', but got 'tensor<2x5x4xf32>'}}
  %o, %lse = nn.merge_attention %a : tensor<2x5x4x64xf16> lse %x : tensor<2x4x5xf32> -> tensor<2x5x4x64xf16>, tensor<2x5x4xf32>
  return %o : tensor<2x5x4x64xf16>
}

// -----

// C5: a schedule of another family says nothing here.
func.func @c5_schedule(%a: tensor<2x5x4x64xf16>, %x: tensor<2x4x5xf32>) -> tensor<2x5x4x64xf16> {
  // expected-error @+1 {{expects a schedule of family "merge_attention", but got "attention"}}
  %o = nn.merge_attention %a : tensor<2x5x4x64xf16> lse %x : tensor<2x4x5xf32> {schedule = #tile.schedule<"attention", {}>} -> tensor<2x5x4x64xf16>
  return %o : tensor<2x5x4x64xf16>
}
