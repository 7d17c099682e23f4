// nn.merge_attention survives printing and parsing.
// RUN: %tw-opt %s | %tw-opt | FileCheck %s

// Two parts, with and without the log-sum-exp of all.
// CHECK-LABEL: func.func @two(
// CHECK: nn.merge_attention %{{.+}}, %{{.+}} : tensor<?x?x8x64xf16>, tensor<?x?x8x64xf16> lse %{{.+}}, %{{.+}} : tensor<?x8x?xf32>, tensor<?x8x?xf32> -> tensor<?x?x8x64xf16>, tensor<?x8x?xf32>
// CHECK: nn.merge_attention %{{.+}}, %{{.+}} : tensor<?x?x8x64xf16>, tensor<?x?x8x64xf16> lse %{{.+}}, %{{.+}} : tensor<?x8x?xf32>, tensor<?x8x?xf32> {schedule = #tile.schedule<"merge_attention", {}>} -> tensor<?x?x8x64xf32>
func.func @two(%a: tensor<?x?x8x64xf16>, %b: tensor<?x?x8x64xf16>, %x: tensor<?x8x?xf32>, %y: tensor<?x8x?xf32>) -> (tensor<?x?x8x64xf16>, tensor<?x8x?xf32>, tensor<?x?x8x64xf32>) {
  %o, %lse = nn.merge_attention %a, %b : tensor<?x?x8x64xf16>, tensor<?x?x8x64xf16> lse %x, %y : tensor<?x8x?xf32>, tensor<?x8x?xf32> -> tensor<?x?x8x64xf16>, tensor<?x8x?xf32>
  %wide = nn.merge_attention %a, %b : tensor<?x?x8x64xf16>, tensor<?x?x8x64xf16> lse %x, %y : tensor<?x8x?xf32>, tensor<?x8x?xf32> {schedule = #tile.schedule<"merge_attention", {}>} -> tensor<?x?x8x64xf32>
  return %o, %lse, %wide : tensor<?x?x8x64xf16>, tensor<?x8x?xf32>, tensor<?x?x8x64xf32>
}
