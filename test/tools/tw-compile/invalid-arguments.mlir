// Bad input on the command line: a message and a failure, never a crash.
// RUN: not %tw-compile %s --target sm_42 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not %tw-compile %s --target sm_75 2>&1 | FileCheck %s --check-prefix=DATA
// RUN: not %tw-compile %s --emit sass 2>&1 | FileCheck %s --check-prefix=EMIT
// RUN: not %tw-compile %t.does-not-exist 2>&1 | FileCheck %s --check-prefix=FILE
// RUN: not %tw-compile %S 2>&1 | FileCheck %s --check-prefix=FOLDER
// RUN: not %tw-compile --no-such-option 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: echo "" > %t.empty
// RUN: not %tw-compile %t.empty 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: echo "module {}" | not %tw-compile - 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: cat %s %s | not %tw-compile - 2>&1 | FileCheck %s --check-prefix=TWICE

// TARGET: error: {{.*}}sm_42{{.*}}sm_{{[0-9]+}}
// DATA: error: {{.*}}sm_75 {{.*}}nearest {{.*}}sm_80
// EMIT: sass
// FILE: error: {{.*}}cannot read '{{.*}}does-not-exist'
// FOLDER: error: {{.*}}cannot read
// UNKNOWN: no-such-option
// EMPTY: error: {{.*}}expects one kernel a module, but got 0
// TWICE: error: {{.*}}redefinition of symbol
func.func @linear(%x: tensor<16x1024xf16>, %w: !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>>) -> tensor<16x256xf16> {
  %y = nn.quant_matmul %x, %w : tensor<16x1024xf16>, !nn.quantized<1024x256, #nn.qformat<u4, group = 128, scale = f16>> -> tensor<16x256xf16>
  return %y : tensor<16x256xf16>
}
