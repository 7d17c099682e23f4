//===- Main.cpp - tw-tables: the tables in the code as a page of the docs -----===//
//
// Prints docs/reference/tables.md: number formats, unpack programs, targets and
// GPU models. tools/docs/generate.py runs it, so that the page says what the
// code does.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Format/Format.h"
#include "dialects/Support/Layout/Packing.h"
#include "dialects/Support/Target/Target.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <set>

using namespace llvm;
using namespace tilewright;
using layout::Activation;

static void printFormats() {
  outs() << "## Number formats (`dialects/Support/Format`)\n\n"
            "A format in this table has a name and a meaning; what an op accepts is in its\n"
            "constraints.\n\n"
            "| name | bits | kind | exponent bits | mantissa bits | exponent bias |\n"
            "|---|---|---|---|---|---|\n";
  for (const format::Format &format : format::all()) {
    if (format.isNested() && format.bits < format.storedBits)
      continue; // its name says what it is
    if (format.isFloat())
      outs() << formatv("| {0} | {1} | float | {2} | {3} | {4} |\n", format.name, format.bits,
                        format.exponentBits, format.mantissaBits, format.exponentBias);
    else
      outs() << formatv("| {0} | {1} | {2} | | | |\n", format.name, format.bits,
                        format.isIndex()                      ? "index of a codebook"
                        : format.isStack()                    ? "planes of -1 and 1, summed"
                        : format.isNested()                   ? "nested, in planes"
                        : format.kind == format::Kind::Signed ? "signed"
                                                              : "unsigned");
  }
}

/// The bits of a half of the word, from bit 0, in the notation of the page.
static std::string describeWord(const layout::WordLayout &words, unsigned word) {
  std::string cells[16];
  layout::ActivationClass activations = words.getActivations();
  unsigned bits = words.getBits(), partBits = getPartBits(activations);
  unsigned whole = bits * (partBits / bits);
  for (unsigned pair = 0; pair < getRegistersPerFragment(activations); ++pair)
    for (unsigned bit = 0; bit < bits; ++bit) {
      layout::BitPosition at = words.locate(pair, bit);
      if (at.word != word)
        continue;
      if (pair >= whole)
        cells[at.offset] = std::string(1, char('A' + pair - whole)) + std::to_string(bit);
      else
        cells[at.offset] = bit == 0 ? std::to_string(pair) : "·";
    }
  std::string text;
  for (const std::string &cell : ArrayRef(cells).take_front(partBits))
    text += (text.empty() ? "" : " ") + cell;
  return text;
}

static void printWords(layout::ActivationClass activations) {
  for (unsigned bits = 1; bits <= 8; ++bits) {
    outs() << formatv("\n{0}-bit codes\n\n```\n", bits);
    const auto &layout = layout::WordLayout::get(bits, activations);
    for (unsigned word = 0; word < bits; ++word)
      outs() << formatv("w{0}: {1}\n", word, describeWord(layout, word));
    outs() << "```\n";
  }
}

static void printWordLayouts() {
  outs()
      << formatv("\n## Word layouts (`WordLayout.cpp`, version {0})\n\n", layout::packingVersion)
      << "One 16-bit half of each word of a fragment, from bit 0. A number is the lowest bit of\n"
         "that pair's code and `·` its further bits; a letter with a number is that bit of a\n"
         "residue pair (A follows the last pair stored whole).\n";
  printWords(layout::ActivationClass::Bits16);
  outs() << "\n## Word layouts for 8-bit activations\n\n"
            "The same of one byte, quads for pairs.\n";
  printWords(layout::ActivationClass::Bits8);
}

/// Three cells of a table.
static void printProgram(const layout::UnpackProgram &program) {
  std::set<unsigned> offsets;
  for (const layout::UnpackField &field : program.fields)
    offsets.insert(field.offset);
  outs() << formatv(" {0} | {1} | {2} |", program.countInstructions(), program.steps.size(),
                    offsets.size());
}

static void printUnpackPrograms() {
  outs() << "\n## Unpack programs (`UnpackPrograms.cpp`)\n\n"
            "Instructions for the 32 weights of a fragment of one lane, loads and zero points not\n"
            "counted; steps are the shifts, permutes and selects among them.\n\n"
            "| bits | f16 instructions | steps | offsets | bf16 instructions | steps | offsets |\n"
            "|---|---|---|---|---|---|---|\n";
  for (unsigned bits = 1; bits <= 8; ++bits) {
    outs() << formatv("| {0} |", bits);
    for (Activation activation : {Activation::F16, Activation::BF16})
      printProgram(layout::getUnpackProgram(bits, activation));
    outs() << "\n";
  }
}

static void printFloatPrograms() {
  outs()
      << "\n## Unpack programs of floats (`UnpackFloats.cpp`)\n\n"
         "The same; as bf16 16 of the instructions are multiplications. What multiplies the sum\n"
         "of products in the end is exact. Floats of one exponent bit unpack as integers.\n\n"
         "| format | f16 instructions | steps | sum times | bf16 instructions | steps | pairs "
         "times "
         "|\n|---|---|---|---|---|---|---|\n";
  for (const format::Format &format : format::all()) {
    if (!format.isWeight() || !format.hasExponent())
      continue;
    const layout::UnpackProgram &f16 = layout::getUnpackProgram(format, Activation::F16),
                                &bf16 = layout::getUnpackProgram(format, Activation::BF16);
    outs() << formatv("| {0} | {1} | {2} | 2^{3} | {4} | {5} | 2^{6} |\n", format.name,
                      f16.countInstructions(), f16.steps.size(), f16.sumExponent,
                      bf16.countInstructions(), bf16.steps.size(), std::ilogb(bf16.factor));
  }
}

static void printTablePrograms() {
  outs() << "\n## Unpack programs of codebooks (`UnpackTables.cpp`)\n\n"
            "The same, for f16 and bf16 alike.\n\n"
            "| format | entries | instructions | steps |\n|---|---|---|---|\n";
  for (const format::Format &format : format::all())
    if (format.isIndex()) {
      const layout::UnpackProgram &program = layout::getTableProgram(format.bits);
      outs() << formatv("| {0} | {1} | {2} | {3} |\n", format.name, 1u << format.bits,
                        program.countInstructions(), program.steps.size());
    }
}

static void printPlanePrograms() {
  outs()
      << "\n## Unpack programs of nested codes (`UnpackPlanes.cpp`)\n\n"
         "The same for the top planes of codes, whatever is stored; a plane of a stack takes\n"
         "what one bit does.\n\n"
         "| planes | f16 instructions | steps | offsets | bf16 instructions | steps | offsets |\n"
         "|---|---|---|---|---|---|---|\n";
  for (unsigned bits = 1; bits <= 8; ++bits) {
    outs() << formatv("| {0} |", bits);
    for (Activation activation : {Activation::F16, Activation::BF16})
      printProgram(layout::getPlaneProgram(bits, activation));
    outs() << "\n";
  }
}

static void printBytePrograms() {
  outs() << "\n## Unpack programs for 8-bit activations (`UnpackBytes.cpp`)\n\n"
            "The same, for signed and unsigned integers alike; nothing is subtracted.\n\n"
            "| bits | instructions | steps | sum times |\n|---|---|---|---|\n";
  for (unsigned bits = 1; bits <= 8; ++bits) {
    const layout::UnpackProgram &program = layout::getByteProgram(bits);
    outs() << formatv("| {0} | {1} | {2} | 2^{3} |\n", bits, program.countInstructions(),
                      program.steps.size(), program.sumExponent);
  }
}

static void printTargets() {
  outs() << "\n## Targets (`dialects/Support/Target`)\n\n"
            "Shared memory is in KiB.\n\n"
            "| target | PTX | compiled for | shared a block | shared an SM | registers an SM | "
            "threads an SM | blocks an SM | has |\n|---|---|---|---|---|---|---|---|---|\n";
  for (const target::Target &target : target::allTargets()) {
    std::string features;
    auto add = [&](bool has, StringRef name) {
      if (has)
        features += (features.empty() ? "" : ", ") + name.str();
    };
    add(target.hasCpAsync, "cp.async");
    add(target.hasBF16, "bf16");
    add(target.hasMmaM16N8K16, "m16n8k16");
    add(target.hasFp8Convert, "fp8 cvt");
    add(target.hasFp8Mma, "fp8 mma");
    add(target.hasFp8MmaSync, "fp8 mma.sync");
    add(target.hasTma, "TMA");
    add(target.hasWgmma, "wgmma");
    add(target.hasTcgen05, "tcgen05");
    outs() << formatv("| {0} | {1}.{2} | {3} | {4} | {5} | {6} | {7} | {8} | {9} |\n", target.name,
                      target.ptxVersion / 10, target.ptxVersion % 10,
                      target.canCompile ? "yes" : "no", target.maxSharedBytesPerBlock / 1024,
                      target.sharedBytesPerSM / 1024, target.registersPerSM, target.maxThreadsPerSM,
                      target.maxBlocksPerSM, features);
  }
}

static void printModels() {
  outs() << "\n## GPU models (`dialects/Support/Target`)\n\n"
            "| model | target | SMs | L2, MiB | memory, GiB | bandwidth, GB/s | dense f16, Tflop/s "
            "| source |\n|---|---|---|---|---|---|---|---|\n";
  for (const target::GpuModel &model : target::allGpuModels())
    outs() << formatv("| {0} | {1} | {2} | {3} | {4} | {5:f0} | {6:f0} | {7} |\n", model.name,
                      model.target, model.smCount, model.l2Bytes >> 20, model.memoryBytes >> 30,
                      model.memoryBandwidth / 1e9, model.halfTensorFlops / 1e12, model.source);
}

int main() {
  outs() << "<!-- Written by tools/docs/generate.py through tw-tables; edit the code. -->\n\n"
            "# Tables\n\n";
  printFormats();
  printWordLayouts();
  printUnpackPrograms();
  printFloatPrograms();
  printTablePrograms();
  printPlanePrograms();
  printBytePrograms();
  printTargets();
  printModels();
  return 0;
}
