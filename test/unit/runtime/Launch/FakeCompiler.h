//===- FakeCompiler.h - Artifacts without a compiler ------------------------===//
#ifndef TILEWRIGHT_TEST_UNIT_RUNTIME_LAUNCH_FAKECOMPILER_H
#define TILEWRIGHT_TEST_UNIT_RUNTIME_LAUNCH_FAKECOMPILER_H

#include "dialects/Support/Artifact/Artifact.h"

namespace tilewright::launch {

/// A kernel for any problem: a pointer for each operand in order, the last one
/// written, then M as 32 bits.
inline artifact::Artifact makeFakeArtifact(const problem::Problem &problem,
                                           const target::GpuModel &model,
                                           const std::optional<schedule::Schedule> &schedule) {
  artifact::Artifact artifact;
  artifact.ptx = ".visible .entry fake(";
  artifact::Metadata &metadata = artifact.metadata;
  for (const problem::Operand &operand : problem.operands) {
    artifact::Parameter parameter;
    parameter.name = operand.name;
    parameter.written = &operand == &problem.operands.back();
    metadata.parameters.push_back(parameter);
    artifact.ptx += ".param .u64 " + operand.name + ", ";
  }
  artifact::Parameter rows;
  rows.kind = artifact::Parameter::Kind::Dimension;
  rows.name = "M";
  rows.bytes = 4;
  metadata.parameters.push_back(rows);
  artifact.ptx += ".param .u32 m) { ret; }";
  metadata.kernel = "fake";
  metadata.target = model.target.str();
  metadata.problem = problem;
  if (schedule)
    metadata.schedule = *schedule;
  return artifact;
}

} // namespace tilewright::launch

#endif
