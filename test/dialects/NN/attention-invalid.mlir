// Each constraint of nn.attention and of nn.element.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

// C1: dimensions have their meaning by position.
func.func @c1_rank(%q: tensor<8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects q to be a tensor of f16 or bf16, batch x length x heads x head size with static heads and head size, but got 'tensor<8x4x64xf16>'}}
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C1: the tensor cores take 16 bits.
func.func @c1_dtype(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf32>, %v: tensor<1x8x4x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects k to be a tensor of f16 or bf16}}
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf32>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C1: heads are part of the kernel.
func.func @c1_static(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x?x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects v to be a tensor of f16 or bf16, batch x length x heads x head size with static heads and head size, but got 'tensor<1x8x?x64xf16>'}}
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x?x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C1: one dtype for the three.
func.func @c1_same(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xbf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects k and v to have the dtype of q}}
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xbf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C2: q and k are multiplied along the head size.
func.func @c2_size(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x32xf16>, %v: tensor<1x8x4x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects k to have the batch and head size of q, but got 'tensor<1x8x4x32xf16>'}}
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x32xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C2: a key has a value.
func.func @c2_length(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x9x4x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects v to have the batch, length and heads of k, but got 'tensor<1x9x4x64xf16>'}}
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x9x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C2: heads of q share those of k evenly.
func.func @c2_heads(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x3x64xf16>, %v: tensor<1x8x3x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects the heads of q to be a multiple of those of k, but got 4 and 3}}
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x3x64xf16>, tensor<1x8x3x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C3: rows of a head are whole 16-byte chunks.
func.func @c3_multiple(%q: tensor<1x8x4x12xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects the head size of q to be a multiple of 8 from 8 to 576, but got 12}}
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<1x8x4x12xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C3: accumulators fit the registers.
func.func @c3_most(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x520xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects the head size of v to be a multiple of 8 from 8 to 512, but got 520}}
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x520xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C4: a row of o for each of q, as wide as v.
func.func @c4(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x32xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects o of type 'tensor<1x8x4x32xf16>', but got 'tensor<1x8x4x64xf16>'}}
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x32xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C4: where v is k, o has its columns.
func.func @c4_columns(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>) -> tensor<1x8x4x72xf16> {
  // expected-error @+1 {{expects the head size of o to be a multiple of 8 from 8 to 64 where v is k, but got 72}}
  %o = nn.attention %q, %k, %k scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x72xf16>
  return %o : tensor<1x8x4x72xf16>
}

// -----

// C5: sums of each head and row.
func.func @c5(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects lse of type 'tensor<1x4x8xf32>', but got 'tensor<1x8x4xf32>'}}
  %o, %lse = nn.attention %q, %k, %v scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>, tensor<1x8x4xf32>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C6: the running maximum is taken before the scale.
func.func @c6(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects scale to be finite and greater than zero, but got 0}}
  %o = nn.attention %q, %k, %v scale 0.0 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C7: -1 is no limit, less has no meaning.
func.func @c7(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects window to be two numbers from -1 (unbounded) to 1073741824, but got [-2, 0]}}
  %o = nn.attention %q, %k, %v scale 0.125 window [-2, 0] : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C8: an offset for each batch.
func.func @c8_offset(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>, %x: tensor<2xi32>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects q_offset of type 'tensor<1xi32>', but got 'tensor<2xi32>'}}
  %o = nn.attention %q, %k, %v offset %x : tensor<2xi32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C8: a sink for each head of q.
func.func @c8_sinks(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>, %x: tensor<4xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects sinks of type 'tensor<4xf32>', but got 'tensor<4xf16>'}}
  %o = nn.attention %q, %k, %v sinks %x : tensor<4xf16> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C9: a score of four indices.
func.func @c9_arguments(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects the mask region to be one block with arguments (i32, i32, i32, i32), but got (i32, i32)}}
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16> mask {
  ^bb0(%i: i32, %j: i32):
    %c = arith.cmpi sle, %j, %i : i32
    nn.yield %c : i1
  }
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C9: a mask is yes or no.
func.func @c9_yield(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects the mask region to yield 'i1'}}
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16> mask {
  ^bb0(%b: i32, %h: i32, %i: i32, %j: i32):
    %c = arith.constant 1.0 : f32
    nn.yield %c : f32
  }
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C10: regions are elementwise.
func.func @c10_op(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>) -> tensor<1x8x4x64xf16> {
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16> score {
  ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
    // expected-error @+1 {{is not supported in the score region; expects elementwise arith and math operations on f32, i32 and i1, constants, and nn.element}}
    %p = tile.program_id 0
    nn.yield %s : f32
  }
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C10: scalars have the types of scores and indices.
func.func @c10_type(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>) -> tensor<1x8x4x64xf16> {
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16> score {
  ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
    // expected-error @+1 {{is not supported in the score region}}
    %w = arith.extf %s : f32 to f64
    nn.yield %s : f32
  }
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C10: nothing comes in from outside but by nn.element.
func.func @c10_outside(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>, %cap: f32) -> tensor<1x8x4x64xf16> {
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16> score {
  ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
    // expected-error @+1 {{expects values of the score region itself; tensors outside are read by nn.element}}
    %m = arith.mulf %s, %cap : f32
    nn.yield %m : f32
  }
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C6: a softcap of zero is none.
func.func @c6_softcap(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects softcap to be finite and at least zero, but got -1}}
  %o = nn.attention %q, %k, %v scale 0.125 softcap -1.0 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C8: a slope for each head, or batch and head.
func.func @c8_slopes(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>, %x: tensor<4x1xf32>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects alibi_slopes of type 'tensor<1x4xf32>', but got 'tensor<4x1xf32>'}}
  %o = nn.attention %q, %k, %v alibi %x : tensor<4x1xf32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C11: kernels read numbers.
func.func @c11(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>, %x: tensor<4xi64>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects captures of rank 1 to 4 of f16, bf16, f32 or i32, but got 'tensor<4xi64>'}}
  %o = nn.attention %q, %k, %v reads %x : tensor<4xi64> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C12: schedules belong to a family.
func.func @c12(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects a schedule of family "attention", but got "matmul"}}
  %o = nn.attention %q, %k, %v scale 0.125 {schedule = #tile.schedule<"matmul", {}>} : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C13: elements of a head are contiguous.
func.func @c13(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects four strides of k with contiguous elements of a head (1) in the problem}}
  %o = nn.attention %q, %k, %v scale 0.125 {problem = #nn.problem<dims = [<"B" = 1>], operands = [<"k", strides = [2048, 256, 1, 4], align = 16>]>} : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// nn.element C1: captures are numbered from zero.
func.func @element_c1_number(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>, %t: tensor<4x4xf32>) -> tensor<1x8x4x64xf16> {
  %o = nn.attention %q, %k, %v reads %t : tensor<4x4xf32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16> score {
  ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
    // expected-error @+1 {{expects the number of one of 1 captures, but got 1}}
    %e = nn.element 1[%h, %j] : f32
    nn.yield %e : f32
  }
  return %o : tensor<1x8x4x64xf16>
}

// -----

// nn.element C1: floats are extended, never converted.
func.func @element_c1_type(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>, %t: tensor<4x4xf32>) -> tensor<1x8x4x64xf16> {
  %o = nn.attention %q, %k, %v reads %t : tensor<4x4xf32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16> score {
  ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
    // expected-error @+1 {{expects i32 of a tensor of i32 and f32 of others, but got 'i32' of 'tensor<4x4xf32>'}}
    %e = nn.element 0[%h, %j] : i32
    nn.yield %s : f32
  }
  return %o : tensor<1x8x4x64xf16>
}

// -----

// nn.element C2: an index a dimension.
func.func @element_c2_count(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>, %t: tensor<4x4xf32>) -> tensor<1x8x4x64xf16> {
  %o = nn.attention %q, %k, %v reads %t : tensor<4x4xf32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16> score {
  ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
    // expected-error @+1 {{expects 2 indices of 'tensor<4x4xf32>', but got 1}}
    %e = nn.element 0[%h] : f32
    nn.yield %e : f32
  }
  return %o : tensor<1x8x4x64xf16>
}

// -----

// nn.element C2: computed indices would be a gather.
func.func @element_c2_computed(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>, %t: tensor<4x4xf32>) -> tensor<1x8x4x64xf16> {
  %o = nn.attention %q, %k, %v reads %t : tensor<4x4xf32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16> score {
  ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
    %d = arith.subi %i, %j : i32
    // expected-error @+1 {{expects indices to be the region's batch, head, query and key, each at most once and in this order}}
    %e = nn.element 0[%h, %d] : f32
    nn.yield %e : f32
  }
  return %o : tensor<1x8x4x64xf16>
}

// -----

// nn.element C2: dimensions are in the order of the indices.
func.func @element_c2_order(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>, %t: tensor<4x4xf32>) -> tensor<1x8x4x64xf16> {
  %o = nn.attention %q, %k, %v reads %t : tensor<4x4xf32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16> score {
  ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
    // expected-error @+1 {{expects indices to be the region's batch, head, query and key, each at most once and in this order}}
    %e = nn.element 0[%j, %i] : f32
    nn.yield %e : f32
  }
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C7: positions have 31 bits.
func.func @c7_most(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects window to be two numbers from -1 (unbounded) to 1073741824, but got [0, 1073741825]}}
  %o = nn.attention %q, %k, %v scale 0.125 window [0, 1073741825] : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C14: sequences of q have keys.
func.func @c14_length(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>, %a: tensor<3xi32>, %b: tensor<4xi32>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects q_starts and k_starts of i32 and one length, but got 'tensor<3xi32>' and 'tensor<4xi32>'}}
  %o = nn.attention %q, %k, %v sequences %a, %b : tensor<3xi32>, tensor<4xi32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C14: sequences take the place of the batch.
func.func @c14_batch(%q: tensor<2x8x4x64xf16>, %k: tensor<2x8x4x64xf16>, %v: tensor<2x8x4x64xf16>, %a: tensor<3xi32>) -> tensor<2x8x4x64xf16> {
  // expected-error @+1 {{expects sequences in a batch of 1, but got 'tensor<2x8x4x64xf16>'}}
  %o = nn.attention %q, %k, %v sequences %a, %a : tensor<3xi32>, tensor<3xi32> scale 0.125 : tensor<2x8x4x64xf16>, tensor<2x8x4x64xf16>, tensor<2x8x4x64xf16> -> tensor<2x8x4x64xf16>
  return %o : tensor<2x8x4x64xf16>
}

// -----

// C8: an offset for each sequence.
func.func @c8_sequences(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf16>, %a: tensor<3xi32>, %b: tensor<1xi32>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects q_offset of type 'tensor<2xi32>', but got 'tensor<1xi32>'}}
  %o = nn.attention %q, %k, %v sequences %a, %a : tensor<3xi32>, tensor<3xi32> offset %b : tensor<1xi32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C15: a length a batch.
func.func @c15_length(%q: tensor<2x8x4x64xf16>, %k: tensor<2x8x4x64xf16>, %n: tensor<3xi32>) -> tensor<2x8x4x64xf16> {
  // expected-error @+1 {{expects k_lengths of type 'tensor<2xi32>', but got 'tensor<3xi32>'}}
  %o = nn.attention %q, %k, %k lengths %n : tensor<3xi32> scale 0.125 : tensor<2x8x4x64xf16>, tensor<2x8x4x64xf16>, tensor<2x8x4x64xf16> -> tensor<2x8x4x64xf16>
  return %o : tensor<2x8x4x64xf16>
}

// -----

// C15: a cache a length.
func.func @c15_batch(%q: tensor<2x8x4x64xf16>, %k: tensor<3x8x4x64xf16>, %n: tensor<2xi32>) -> tensor<2x8x4x64xf16> {
  // expected-error @+1 {{expects k to have a batch for each of k_lengths, but got 'tensor<3x8x4x64xf16>' and 'tensor<2xi32>'}}
  %o = nn.attention %q, %k, %k lengths %n : tensor<2xi32> scale 0.125 : tensor<2x8x4x64xf16>, tensor<3x8x4x64xf16>, tensor<3x8x4x64xf16> -> tensor<2x8x4x64xf16>
  return %o : tensor<2x8x4x64xf16>
}

// -----

// C16: pages do not say how many keys they hold.
func.func @c16_alone(%q: tensor<2x8x4x64xf16>, %k: tensor<2x8x4x64xf16>, %t: tensor<2x3xi32>) -> tensor<2x8x4x64xf16> {
  // expected-error @+1 {{expects k_lengths with page_table, but got none}}
  %o = nn.attention %q, %k, %k pages %t : tensor<2x3xi32> scale 0.125 : tensor<2x8x4x64xf16>, tensor<2x8x4x64xf16>, tensor<2x8x4x64xf16> -> tensor<2x8x4x64xf16>
  return %o : tensor<2x8x4x64xf16>
}

// -----

// C16: a row of the table a batch.
func.func @c16_rows(%q: tensor<2x8x4x64xf16>, %k: tensor<2x8x4x64xf16>, %n: tensor<2xi32>, %t: tensor<3x3xi32>) -> tensor<2x8x4x64xf16> {
  // expected-error @+1 {{expects page_table to be i32, a row for each of k_lengths, but got 'tensor<3x3xi32>' and 'tensor<2xi32>'}}
  %o = nn.attention %q, %k, %k lengths %n : tensor<2xi32> pages %t : tensor<3x3xi32> scale 0.125 : tensor<2x8x4x64xf16>, tensor<2x8x4x64xf16>, tensor<2x8x4x64xf16> -> tensor<2x8x4x64xf16>
  return %o : tensor<2x8x4x64xf16>
}

// -----

// C16: the size of a page is part of the kernel.
func.func @c16_size(%q: tensor<2x8x4x64xf16>, %k: tensor<9x?x4x64xf16>, %n: tensor<2xi32>, %t: tensor<2x3xi32>) -> tensor<2x8x4x64xf16> {
  // expected-error @+1 {{expects pages of a static size in k, but got 'tensor<9x?x4x64xf16>'}}
  %o = nn.attention %q, %k, %k lengths %n : tensor<2xi32> pages %t : tensor<2x3xi32> scale 0.125 : tensor<2x8x4x64xf16>, tensor<9x?x4x64xf16>, tensor<9x?x4x64xf16> -> tensor<2x8x4x64xf16>
  return %o : tensor<2x8x4x64xf16>
}

// -----

// C15: keys are those of sequences or of a cache.
func.func @c15_starts(%q: tensor<1x8x4x64xf16>, %a: tensor<3xi32>, %n: tensor<2xi32>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects k_lengths or k_starts, but got both}}
  %o = nn.attention %q, %q, %q sequences %a, %a : tensor<3xi32>, tensor<3xi32> lengths %n : tensor<2xi32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C14: without a cache, sequences have keys.
func.func @c14_alone(%q: tensor<1x8x4x64xf16>, %a: tensor<3xi32>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects q_starts and k_starts, but got only one of them}}
  %o = nn.attention %q, %q, %q sequences %a : tensor<3xi32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C17: a block has rows and keys.
func.func @c17_size(%q: tensor<1x8x4x64xf16>, %n: tensor<1x4x1x2xi32>, %b: tensor<1x4x1x3xi32>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects block_size to be rows and keys, at least 1 each, but got [16, 0]}}
  %o = nn.attention %q, %q, %q blocks %n, %b of [16, 0] : tensor<1x4x1x2xi32>, tensor<1x4x1x3xi32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C17: lists are those of heads.
func.func @c17_heads(%q: tensor<1x8x4x64xf16>, %n: tensor<1x3x1x2xi32>, %b: tensor<1x3x1x3xi32>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects block_counts and blocks to be i32, batch x heads of q or k x blocks of rows x 2 and x entries, but got 'tensor<1x3x1x2xi32>' and 'tensor<1x3x1x3xi32>'}}
  %o = nn.attention %q, %q, %q blocks %n, %b of [16, 16] : tensor<1x3x1x2xi32>, tensor<1x3x1x3xi32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C17: two counts, of blocks that a function decides in and of others.
func.func @c17_kinds(%q: tensor<1x8x4x64xf16>, %n: tensor<1x4x1xi32>, %b: tensor<1x4x1x3xi32>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects block_counts and blocks to be i32}}
  %o = nn.attention %q, %q, %q blocks %n, %b of [16, 16] : tensor<1x4x1xi32>, tensor<1x4x1x3xi32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C17: of one batch.
func.func @c17_sequences(%q: tensor<1x8x4x64xf16>, %n: tensor<1x4x1x2xi32>, %b: tensor<1x4x1x3xi32>, %s: tensor<2xi32>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects block_counts, blocks and block_size together, and no sequences with them}}
  %o = nn.attention %q, %q, %q sequences %s, %s : tensor<2xi32>, tensor<2xi32> blocks %n, %b of [16, 16] : tensor<1x4x1x2xi32>, tensor<1x4x1x3xi32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C18: factors have the ranks of rows.
func.func @c18_ranks(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x2x64xf16>, %a: tensor<1x8x4x2xf16>, %b: tensor<1x8x4x3xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects v_factors of type 'tensor<1x8x4x2xf16>' with a rank of 1 to 16, but got 'tensor<1x8x4x3xf16>'}}
  %o = nn.attention %q, %k, %k factors %a, %b : tensor<1x8x4x2xf16>, tensor<1x8x4x3xf16> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x2x64xf16>, tensor<1x8x2x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C18: and their dtype.
func.func @c18_dtype(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x2x64xf16>, %a: tensor<1x8x4x2xf32>, %b: tensor<1x8x4x2xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects k_factors of type 'tensor<1x8x4x2xf16>' with a rank of 1 to 16, but got 'tensor<1x8x4x2xf32>'}}
  %o = nn.attention %q, %k, %k factors %a, %b : tensor<1x8x4x2xf32>, tensor<1x8x4x2xf16> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x2x64xf16>, tensor<1x8x2x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C18: a tile a rank.
func.func @c18_many(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x17x64xf16>, %a: tensor<1x8x4x17xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{with a rank of 1 to 16, but got 'tensor<1x8x4x17xf16>'}}
  %o = nn.attention %q, %k, %k factors %a, %a : tensor<1x8x4x17xf16>, tensor<1x8x4x17xf16> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x17x64xf16>, tensor<1x8x17x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C18: rows lie in one array.
func.func @c18_pages(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x2x64xf16>, %a: tensor<1x8x4x2xf16>, %n: tensor<1xi32>, %t: tensor<1x1xi32>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects k_factors and v_factors together, and no page_table with them}}
  %o = nn.attention %q, %k, %k lengths %n : tensor<1xi32> pages %t : tensor<1x1xi32> factors %a, %a : tensor<1x8x4x2xf16>, tensor<1x8x4x2xf16> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x2x64xf16>, tensor<1x8x2x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C19: integers have no size of their own.
func.func @c19_none(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xi8>, %v: tensor<1x8x4x64xf16>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects k_scales of a cache of integers, 'tensor<1x8x4x64xi8>'}}
  %o = nn.attention %q, %k, %v scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xi8>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C19: a row and head has one scale.
func.func @c19_shape(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xf16>, %v: tensor<1x8x4x64xf8E5M2>, %s: tensor<1x4x8xf32>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects v_scales of f32 or f16, one a row and head of 'tensor<1x8x4x64xf8E5M2>', but got 'tensor<1x4x8xf32>'}}
  %o = nn.attention %q, %k, %v value_scales %s : tensor<1x4x8xf32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xf16>, tensor<1x8x4x64xf8E5M2> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}

// -----

// C19: two integers are in a byte.
func.func @c19_pairs(%q: tensor<1x8x4x64xf16>, %k: tensor<1x8x4x64xui8>, %v: tensor<1x8x4x64xf16>, %s: tensor<1x8x4xf32>) -> tensor<1x8x4x64xf16> {
  // expected-error @+1 {{expects k to have the batch and head size of q, but got 'tensor<1x8x4x64xui8>'}}
  %o = nn.attention %q, %k, %v key_scales %s : tensor<1x8x4xf32> scale 0.125 : tensor<1x8x4x64xf16>, tensor<1x8x4x64xui8>, tensor<1x8x4x64xf16> -> tensor<1x8x4x64xf16>
  return %o : tensor<1x8x4x64xf16>
}
