//===- Apply.h - Handlers made from an expression -----------------------------===//
//
// A functor with `static T apply(T, ...)` becomes a handler d = f(a, b, c) over
// the lanes. Operands are in inst.d, a, b, c.
//
//===----------------------------------------------------------------------===//
#ifndef TILEWRIGHT_RUNTIME_EMULATOR_INSTRUCTIONS_APPLY_H
#define TILEWRIGHT_RUNTIME_EMULATOR_INSTRUCTIONS_APPLY_H

#include "runtime/Emulator/Instructions/Builder.h"
#include "runtime/Emulator/Machine/Lanes.h"
#include <type_traits>

namespace tilewright::emulator {

template <typename F, typename D, typename A> void applyUnary(Warp &w, const Inst &i, uint32_t m) {
  D *d = w.at<D>(i.d);
  const A *a = w.at<A>(i.a);
  forLanes(m, [=](unsigned l) { d[l] = F::template apply<A>(a[l]); });
}

template <typename F, typename D, typename A, typename B>
void applyBinary(Warp &w, const Inst &i, uint32_t m) {
  D *d = w.at<D>(i.d);
  const A *a = w.at<A>(i.a);
  const B *b = w.at<B>(i.b);
  forLanes(m, [=](unsigned l) { d[l] = F::template apply<A>(a[l], b[l]); });
}

template <typename F, typename D, typename A, typename B, typename C>
void applyTernary(Warp &w, const Inst &i, uint32_t m) {
  D *d = w.at<D>(i.d);
  const A *a = w.at<A>(i.a);
  const B *b = w.at<B>(i.b);
  const C *c = w.at<C>(i.c);
  forLanes(m, [=](unsigned l) { d[l] = F::template apply<A>(a[l], b[l], c[l]); });
}

/// Calls pick(T()) with the host type of an integer type of 16 to 64 bits;
/// null for other types. Bits count as unsigned.
template <typename Pick> Handler withInteger(ScalarType type, Pick pick) {
  switch (type) {
  case ScalarType::U16:
  case ScalarType::B16:
    return pick(uint16_t());
  case ScalarType::U32:
  case ScalarType::B32:
    return pick(uint32_t());
  case ScalarType::U64:
  case ScalarType::B64:
    return pick(uint64_t());
  case ScalarType::S16:
    return pick(int16_t());
  case ScalarType::S32:
    return pick(int32_t());
  case ScalarType::S64:
    return pick(int64_t());
  default:
    return nullptr;
  }
}

template <typename F> Handler pickUnary(ScalarType type) {
  return withInteger(type,
                     [](auto t) -> Handler { return applyUnary<F, decltype(t), decltype(t)>; });
}
template <typename F> Handler pickBinary(ScalarType type) {
  return withInteger(type, [](auto t) -> Handler {
    return applyBinary<F, decltype(t), decltype(t), decltype(t)>;
  });
}
template <typename F> Handler pickTernary(ScalarType type) {
  return withInteger(type, [](auto t) -> Handler {
    return applyTernary<F, decltype(t), decltype(t), decltype(t), decltype(t)>;
  });
}

/// Operands d, a, ... all of one type; sets the handler or refuses the type.
inline void decodeUniform(InstructionDecoder &d, unsigned sources, ScalarType type, Handler handler,
                          OpClass opClass) {
  if (!handler)
    return d.refuseType(type);
  if (!d.expectOperands(sources + 1))
    return;
  d.inst.d = d.write(0, type);
  d.inst.a = d.read(1, type);
  if (sources > 1)
    d.inst.b = d.read(2, type);
  if (sources > 2)
    d.inst.c = d.read(3, type);
  d.set(handler, opClass);
}

// Families that share an opcode, by type (Arithmetic.cpp).
void decodeIntegerAdd(InstructionDecoder &d);
void decodeFloatAdd(InstructionDecoder &d);
void decodeIntegerMultiply(InstructionDecoder &d);
void decodeFloatMultiply(InstructionDecoder &d);
void decodeIntegerMultiplyAdd(InstructionDecoder &d);
void decodeFloatMultiplyAdd(InstructionDecoder &d);
void decodeIntegerDivide(InstructionDecoder &d);
void decodeFloatDivide(InstructionDecoder &d);
void decodeIntegerMinMax(InstructionDecoder &d);
void decodeFloatMinMax(InstructionDecoder &d);
void decodeIntegerSign(InstructionDecoder &d);
void decodeFloatSign(InstructionDecoder &d);

/// cp.async.mbarrier.arrive (Mbarrier.cpp).
void decodeCopyArrive(InstructionDecoder &d);

} // namespace tilewright::emulator

#endif
