// Every rule of the tile dialect's attributes and types is enforced.
// RUN: %tw-opt %s -split-input-file -verify-diagnostics

// Schedule parameters are integers.
// expected-error @+1 {{expects schedule parameter 'order' to be an integer, but got "rows"}}
func.func private @schedule_parameter() attributes {s = #tile.schedule<"quant_matmul", {order = "rows"}>}

// -----

// A parameter is of a known kind.
// expected-error @+1 {{expects parameter kind pointer, dimension, stride, workspace or scalar, but got number}}
func.func private @parameter_kind(i32 {tile.parameter = #tile.parameter<number "alpha">})

// -----

// A parameter has only known fields.
// expected-error @+1 {{expects dtype, axis, align, written or updated, but got readonly}}
func.func private @parameter_field(!tile.ptr {tile.parameter = #tile.parameter<pointer "x", readonly = 1>})

// -----

// A view has a stride a dimension.
// expected-error @+1 {{expects one stride a dimension, but got 1 strides for rank 2}}
func.func private @strides_of_view(!tile.view<8x8xf16, strides = [8], align = 16>)

// -----

// A view's elements are addressable.
// expected-error @+1 {{expects elements of whole bytes, but got 'i4'}}
func.func private @elements_of_view(!tile.view<8x8xi4, strides = [8, 1], align = 16>)

// -----

// An index is no element: its width is not known.
// expected-error @+1 {{expects elements of whole bytes, but got 'index'}}
func.func private @index_elements_of_view(!tile.view<8x8xindex, strides = [8, 1], align = 16>)

// -----

// An alignment is a power of two.
// expected-error @+1 {{expects align to be a power of two, but got 12}}
func.func private @align_of_view(!tile.view<8x8xf16, strides = [8, 1], align = 12>)
