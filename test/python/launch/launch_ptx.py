"""PTX that the tests launch."""

HEAD = ".version 7.8\n.target sm_80\n.address_size 64\n"

#: c[i] = a[i] + b[i] for i < n; no bounds check without `guard`.
ADD = (
    HEAD
    + """
.visible .entry add(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n) {
  .reg .pred %p;
  .reg .b32 %r<8>;
  .reg .f32 %f<4>;
  .reg .b64 %d<8>;
  ld.param.u64 %d0, [a];
  ld.param.u64 %d1, [b];
  ld.param.u64 %d2, [c];
  ld.param.u32 %r0, [n];
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mad.lo.u32 %r4, %r1, %r2, %r3;
  setp.ge.u32 %p, %r4, %r0;
  @%p bra done;
  mul.wide.u32 %d3, %r4, 4;
  add.s64 %d0, %d0, %d3;
  add.s64 %d1, %d1, %d3;
  add.s64 %d2, %d2, %d3;
  ld.global.f32 %f0, [%d0];
  ld.global.f32 %f1, [%d1];
  add.f32 %f2, %f0, %f1;
  st.global.f32 [%d2], %f2;
done:
  ret;
}
"""
)

#: Writes the bytes of a struct of 12 bytes, a half, a byte and a double to `out`.
ECHO = (
    HEAD
    + """
.visible .entry echo(.param .u64 out, .param .align 4 .b8 pair[12], .param .align 2 .b8 half[2],
                     .param .u8 small, .param .f64 wide, .param .b32 any) {
  .reg .b16 %h<2>;
  .reg .b32 %r<5>;
  .reg .b64 %d<3>;
  ld.param.u64 %d0, [out];
  ld.param.b32 %r0, [pair];
  ld.param.b32 %r1, [pair+4];
  ld.param.b32 %r2, [pair+8];
  st.global.b32 [%d0], %r0;
  st.global.b32 [%d0+4], %r1;
  st.global.b32 [%d0+8], %r2;
  ld.param.b16 %h0, [half];
  st.global.b16 [%d0+12], %h0;
  ld.param.u8 %h1, [small];
  st.global.u8 [%d0+14], %h1;
  ld.param.b64 %d1, [wide];
  st.global.b64 [%d0+16], %d1;
  ld.param.b32 %r3, [any];
  st.global.b32 [%d0+24], %r3;
  ret;
}
"""
)

#: table[i] += factor, by one block; `factor` is constant memory.
TABLE = (
    HEAD
    + """
.visible .global .align 4 .b32 table[4] = {1, 2, 3, 4};
.visible .const .align 4 .b32 factor = 10;
.visible .entry bump() {
  .reg .b32 %r<4>;
  .reg .b64 %d<3>;
  mov.u32 %r0, %tid.x;
  mul.wide.u32 %d0, %r0, 4;
  mov.u64 %d1, table;
  add.s64 %d1, %d1, %d0;
  ld.global.b32 %r1, [%d1];
  ld.const.b32 %r2, [factor];
  add.s32 %r1, %r1, %r2;
  st.global.b32 [%d1], %r1;
  ret;
}
"""
)

#: Two kernels as a C++ compiler names them: scale(float*) and ns::scale<int>(int*).
MANGLED = (
    HEAD
    + """
.visible .entry _Z5scalePf(.param .u64 p) { ret; }
.visible .entry _ZN2ns5scaleIiEEvPT_(.param .u64 p) { ret; }
.visible .entry _Z4onlyv() { ret; }
"""
)

#: Never ends.
SPIN = (
    HEAD
    + """
.visible .entry spin() {
loop:
  bra loop;
}
"""
)

#: Reads shared memory before the copy that fills it has been waited for.
EARLY = (
    HEAD
    + """
.visible .entry early(.param .u64 from, .param .u64 to) {
  .reg .b32 %r<3>;
  .reg .b64 %d<3>;
  .shared .align 16 .b8 tile[16];
  ld.param.u64 %d0, [from];
  ld.param.u64 %d1, [to];
  mov.u32 %r0, tile;
  cp.async.ca.shared.global [%r0], [%d0], 16;
  ld.shared.b32 %r1, [%r0];
  st.global.b32 [%d1], %r1;
  cp.async.wait_all;
  ret;
}
"""
)

#: Thread t writes word t * stride of shared memory, and word t * stride of `out`.
STRIDED = (
    HEAD
    + """
.visible .entry strided(.param .u64 out, .param .u32 stride) {
  .reg .b32 %r<5>;
  .reg .b64 %d<3>;
  .shared .align 16 .b8 tile[4096];
  ld.param.u64 %d0, [out];
  ld.param.u32 %r0, [stride];
  mov.u32 %r1, %tid.x;
  mul.lo.u32 %r1, %r1, %r0;
  shl.b32 %r1, %r1, 2;
  mov.u32 %r2, tile;
  add.u32 %r2, %r2, %r1;
  st.shared.b32 [%r2], %r1;
  cvt.u64.u32 %d1, %r1;
  add.u64 %d0, %d0, %d1;
  st.global.b32 [%d0], %r1;
  ret;
}
"""
)

#: Prints 32 letters a thread.
PRINTING = (
    HEAD
    + """
.extern .func (.param .b32 n) vprintf (.param .b64 f, .param .b64 v);
.global .align 1 .b8 text[33] = {"""
    + "120, " * 32
    + """0};
.visible .entry print() {
  .reg .b64 %d<2>;
  mov.u64 %d0, text;
  mov.u64 %d1, 0;
  {
    .param .b64 f;
    .param .b64 v;
    .param .b32 n;
    st.param.b64 [f], %d0;
    st.param.b64 [v], %d1;
    call.uni (n), vprintf, (f, v);
  }
  ret;
}
"""
)

#: A kernel that calls a function, with 32 bytes of local memory each.
CALLING = (
    HEAD
    + """
.func inner() {
  .local .align 4 .b8 place[32];
  .reg .b64 %d;
  mov.u64 %d, place;
  st.local.b32 [%d], 1;
  ret;
}
.visible .entry call() {
  .local .align 4 .b8 place[32];
  .reg .b64 %d;
  mov.u64 %d, place;
  st.local.b32 [%d], 1;
  call.uni inner;
  ret;
}
"""
)

#: Each of 20000 turns reads another byte of 8192, so that a log of reads grows.
READING = (
    HEAD
    + """
.visible .entry read() {
  .reg .pred %p;
  .reg .b16 %h;
  .reg .b32 %r<4>;
  .shared .align 16 .b8 tile[16384];
  mov.u32 %r0, 0;
loop:
  and.b32 %r1, %r0, 8191;
  mov.u32 %r2, tile;
  add.u32 %r1, %r1, %r2;
  ld.shared.u8 %h, [%r1];
  add.u32 %r0, %r0, 1;
  setp.lt.u32 %p, %r0, 20000;
  @%p bra loop;
  ret;
}
"""
)

#: Lane 0 spins until lane 1 has written a flag.
WAITING = (
    HEAD
    + """
.visible .entry wait() {
  .reg .pred %p<3>;
  .reg .b32 %r<3>;
  .shared .align 4 .b8 flag[4];
  mov.u32 %r0, %tid.x;
  setp.eq.u32 %p0, %r0, 0;
  @%p0 st.shared.u32 [flag], 0;
  bar.warp.sync -1;
  setp.ne.u32 %p1, %r0, 0;
  @%p1 bra write;
loop:
  ld.volatile.shared.u32 %r1, [flag];
  setp.eq.u32 %p2, %r1, 0;
  @%p2 bra loop;
  ret;
write:
  setp.eq.u32 %p2, %r0, 1;
  @%p2 st.volatile.shared.u32 [flag], 1;
  ret;
}
"""
)
