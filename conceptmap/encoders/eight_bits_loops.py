"""Two loops of the eight-bit linear layers of `conceptmap.encoders.eight_bits`, in LLVM's language, for AVX2.

``coded``: rows of float32 to codes of one byte, with a scale for each group of 64 dimensions. ``product``: codes times
coded weights, scaled, and the bias added. Tokens come in sixes, weights in tiles of 16 outputs: a register holds 8
outputs, four inputs of each, and the same four inputs of a token, repeated, meet them in one instruction; the sums of a
six and a tile fill the register file. Products of a group are added in 16 bits, which the scales keep from overflowing,
then scaled and added in float32.

- weights: byte ``((tile * quads + quad) * 16 + output) * 4 + j`` is input ``4 * quad + j``, plus 64, never negative
- codes: int32 ``(six * quads + quad) * 6 + token`` holds four inputs, a signed byte each
- scales, and the sums' starts, which undo the 64: ``(six * groups + group) * 6 + token``; those of the weights:
  ``(tile * groups + group) * 16 + output``
"""

from __future__ import annotations

from conceptmap.topk.loops.machine_code import splat

__all__ = ["GROUP", "TILE", "TOKENS", "source"]

GROUP, TILE, TOKENS = 64, 16, 6
_HALVES = range(TILE // 8)
_EACH = [(h, i) for i in range(TOKENS) for h in _HALVES]
_QUADS = GROUP // 4


def source(widest: float, longest: float) -> str:
    """The module's text.

    Args:
        widest: greatest code.
        longest: greatest norm of the codes of half a group, before rounding.
    """
    return "\n".join([_DECLARED, *_product(), _CODED_HEAD.format(widest=widest, longest=longest), *_coded()])


_DECLARED = """
declare <16 x i16> @llvm.x86.avx2.pmadd.ub.sw(<32 x i8>, <32 x i8>)
declare <8 x i32> @llvm.x86.avx2.pmadd.wd(<16 x i16>, <16 x i16>)
declare <8 x float> @llvm.fma.v8f32(<8 x float>, <8 x float>, <8 x float>)
declare <8 x float> @llvm.fabs.v8f32(<8 x float>)
declare <8 x float> @llvm.maxnum.v8f32(<8 x float>, <8 x float>)
declare <32 x float> @llvm.rint.v32f32(<32 x float>)
declare float @llvm.maxnum.f32(float, float)
declare float @llvm.sqrt.f32(float)
declare float @llvm.vector.reduce.fmax.v8f32(<8 x float>)
declare float @llvm.vector.reduce.fadd.v4f32(float, <4 x float>)"""


def _product() -> list[str]:
    """Tiles, sixes, groups, quads: four loops, the innermost in registers."""
    return [
        _PRODUCT_HEAD,
        *(f"%f{h}_{i} = phi <8 x float> [%bias{h}, %six], [%n{h}_{i}, %quads_end]" for h, i in _EACH),
        _PRODUCT_GROUP,
        *(line for i in range(TOKENS) for line in _start(i)),
        "br label %quad\nquad:\n%j = phi i64 [0, %group], [%j1, %quad]",
        *(f"%a{h}_{i} = phi <16 x i16> [%start{i}, %group], [%b{h}_{i}, %quad]" for h, i in _EACH),
        _PRODUCT_QUAD,
        *(line for i in range(TOKENS) for line in _products(i)),
        f"%j1 = add i64 %j, 1\n%more_quads = icmp ult i64 %j1, {_QUADS}",
        "br i1 %more_quads, label %quad, label %quads_end\nquads_end:",
        *(line for h in _HALVES for line in _loaded(f"ws{h}", "%tile_scales", f"%group_at_{h}")),
        *(line for i in range(TOKENS) for line in _scaled(i)),
        "%g1 = add i64 %g, 1\n%more_groups = icmp ult i64 %g1, %groups",
        "br i1 %more_groups, label %group, label %six_end\nsix_end:",
        *(line for i in range(TOKENS) for line in _stored(i)),
        _PRODUCT_TAIL,
    ]


_PRODUCT_HEAD = f"""
define void @product(ptr noalias %weights, ptr noalias %scales, ptr noalias %bias, i64 %tiles, i64 %groups,
                     ptr noalias %codes, ptr noalias %starts, ptr noalias %steps, i64 %sixes, ptr noalias %out) {{
entry:
%tile_bytes = mul i64 %groups, {GROUP * TILE}
%width = mul i64 %tiles, {TILE}
br label %tile
tile:
%t = phi i64 [0, %entry], [%t1, %tile_end]
%tile_at = mul i64 %t, %tile_bytes
%tile_weights = getelementptr i8, ptr %weights, i64 %tile_at
%tile_groups = mul i64 %t, %groups
%scales_at = mul i64 %tile_groups, {TILE}
%tile_scales = getelementptr float, ptr %scales, i64 %scales_at
%column = mul i64 %t, {TILE}
%bias0.at = getelementptr float, ptr %bias, i64 %column
%bias0 = load <8 x float>, ptr %bias0.at, align 4
%bias1.at = getelementptr float, ptr %bias0.at, i64 8
%bias1 = load <8 x float>, ptr %bias1.at, align 4
%tile_out = getelementptr float, ptr %out, i64 %column
br label %six
six:
%s = phi i64 [0, %tile], [%s1, %six_end]
%six_groups = mul i64 %s, %groups
br label %group
group:
%g = phi i64 [0, %six], [%g1, %quads_end]"""

_PRODUCT_GROUP = f"""
%at_group = add i64 %six_groups, %g
%tokens_at = mul i64 %at_group, {TOKENS}
%group_starts = getelementptr i32, ptr %starts, i64 %tokens_at
%group_steps = getelementptr float, ptr %steps, i64 %tokens_at
%codes_at = mul i64 %at_group, {TOKENS * _QUADS}
%group_codes = getelementptr i32, ptr %codes, i64 %codes_at
%weights_at = mul i64 %g, {GROUP * TILE}
%group_weights = getelementptr i8, ptr %tile_weights, i64 %weights_at
%group_at_0 = mul i64 %g, {TILE}
%group_at_1 = add i64 %group_at_0, 8"""

_PRODUCT_QUAD = f"""
%quad_at = mul i64 %j, {4 * TILE}
%row0.at = getelementptr i8, ptr %group_weights, i64 %quad_at
%row0 = load <32 x i8>, ptr %row0.at, align 32
%row1.at = getelementptr i8, ptr %row0.at, i64 32
%row1 = load <32 x i8>, ptr %row1.at, align 32
%token_at = mul i64 %j, {TOKENS}
%tokens = getelementptr i32, ptr %group_codes, i64 %token_at"""

_PRODUCT_TAIL = """
%s1 = add i64 %s, 1
%more_sixes = icmp ult i64 %s1, %sixes
br i1 %more_sixes, label %six, label %tile_end
tile_end:
%t1 = add i64 %t, 1
%more_tiles = icmp ult i64 %t1, %tiles
br i1 %more_tiles, label %tile, label %done
done:
ret void
}"""


def _loaded(name: str, base: str, at: str) -> list[str]:
    return [
        f"%{name}.at = getelementptr float, ptr {base}, i64 {at}",
        f"%{name} = load <8 x float>, ptr %{name}.at, align 4",
    ]


def _start(i: int) -> list[str]:
    return [
        f"%start.at{i} = getelementptr i32, ptr %group_starts, i64 {i}",
        *splat(f"start.lanes{i}", f"%start.at{i}", "i32", 8),
        f"%start{i} = bitcast <8 x i32> %start.lanes{i} to <16 x i16>",
    ]


def _products(i: int) -> list[str]:
    return [
        f"%token.at{i} = getelementptr i32, ptr %tokens, i64 {i}",
        *splat(f"token.lanes{i}", f"%token.at{i}", "i32", 8),
        f"%token{i} = bitcast <8 x i32> %token.lanes{i} to <32 x i8>",
        *(
            f"%m{h}_{i} = call <16 x i16> @llvm.x86.avx2.pmadd.ub.sw(<32 x i8> %row{h}, <32 x i8> %token{i})\n"
            f"%b{h}_{i} = add <16 x i16> %a{h}_{i}, %m{h}_{i}"
            for h in _HALVES
        ),
    ]


def _scaled(i: int) -> list[str]:
    """Both sums of an output together, times the scales of its weights and of the token."""
    ones = ", ".join(["i16 1"] * 16)
    lines = [
        f"%step.at{i} = getelementptr float, ptr %group_steps, i64 {i}",
        *splat(f"step{i}", f"%step.at{i}", "float", 8),
    ]
    for h in _HALVES:
        at = f"{h}_{i}"
        added = ", ".join(f"<8 x float> %{value}" for value in (f"y{at}", f"step{i}", f"f{at}"))
        lines += [
            f"%w{at} = call <8 x i32> @llvm.x86.avx2.pmadd.wd(<16 x i16> %b{at}, <16 x i16> <{ones}>)",
            f"%x{at} = sitofp <8 x i32> %w{at} to <8 x float>",
            f"%y{at} = fmul <8 x float> %x{at}, %ws{h}",
            f"%n{at} = call <8 x float> @llvm.fma.v8f32({added})",
        ]
    return lines


def _stored(i: int) -> list[str]:
    return [
        f"%six_row{i} = mul i64 %s, {TOKENS}",
        f"%row_of{i} = add i64 %six_row{i}, {i}",
        f"%out_at{i} = mul i64 %row_of{i}, %width",
        f"%out{i} = getelementptr float, ptr %tile_out, i64 %out_at{i}",
        f"store <8 x float> %n0_{i}, ptr %out{i}, align 4",
        f"%right{i} = getelementptr float, ptr %out{i}, i64 8",
        f"store <8 x float> %n1_{i}, ptr %right{i}, align 4",
    ]


_CODED_HEAD = f"""
define void @coded(ptr noalias %rows, i64 %n, i64 %groups, ptr noalias %codes, ptr noalias %starts,
                   ptr noalias %steps) {{{{
entry:
br label %row
row:
%r = phi i64 [0, %entry], [%r1, %row_end]
%six = udiv i64 %r, {TOKENS}
%token = urem i64 %r, {TOKENS}
%six_groups = mul i64 %six, %groups
%row_groups = mul i64 %r, %groups
br label %group
group:
%g = phi i64 [0, %row], [%g1, %group]
%from_group = add i64 %row_groups, %g
%from_at = mul i64 %from_group, {GROUP}
%from = getelementptr float, ptr %rows, i64 %from_at
%to_group = add i64 %six_groups, %g
%to_first = mul i64 %to_group, {TOKENS}
%to_at = add i64 %to_first, %token
%start.at = getelementptr i32, ptr %starts, i64 %to_at
%step.at = getelementptr float, ptr %steps, i64 %to_at
%codes_first = mul i64 %to_group, {TOKENS * _QUADS}
%codes_at = add i64 %codes_first, %token
%to = getelementptr i32, ptr %codes, i64 %codes_at
%widest = fadd float {{widest:e}}, 0.0
%longest = fadd float {{longest:e}}, 0.0"""


def _coded() -> list[str]:
    """A group's step, so wide that neither its greatest number nor the norm of either half is too large in codes."""
    lines = []
    for v in range(GROUP // 8):
        lines += _loaded(f"v{v}", "%from", str(8 * v))
        lines.append(f"%size{v} = call <8 x float> @llvm.fabs.v8f32(<8 x float> %v{v})")
        if v == 0:
            lines.append("%square0 = fmul <8 x float> %v0, %v0\n%top0 = fadd <8 x float> %size0, splat (float -0.0)")
            continue
        lines += [
            f"%top{v} = call nnan <8 x float> @llvm.maxnum.v8f32(<8 x float> %top{v - 1}, <8 x float> %size{v})",
            f"%square{v} = call <8 x float> @llvm.fma.v8f32("
            f"<8 x float> %v{v}, <8 x float> %v{v}, <8 x float> %square{v - 1})",
        ]
    last = GROUP // 8 - 1
    return [
        *lines,
        f"%top = call nnan float @llvm.vector.reduce.fmax.v8f32(<8 x float> %top{last})",
        *_by_halves("long", f"%square{last}"),
        _CODED_STEP,
        *(line for part in range(GROUP // 32) for line in _rounded(part)),
        "%whole_sum = fadd <8 x float> %sum0, %sum1",
        *_by_halves("sum", "%whole_sum"),
        _CODED_TAIL,
    ]


def _by_halves(name: str, of: str) -> list[str]:
    """Sums over dimensions 0 and 1 of every four, and over 2 and 3."""
    sides = {"left": "i32 0, i32 1, i32 4, i32 5", "right": "i32 2, i32 3, i32 6, i32 7"}
    return [
        f"%{name}.{side}4 = shufflevector <8 x float> {of}, <8 x float> poison, <4 x i32> <{lanes}>\n"
        f"%{name}.{side} = call reassoc float @llvm.vector.reduce.fadd.v4f32(float 0.0, <4 x float> %{name}.{side}4)"
        for side, lanes in sides.items()
    ]


_CODED_STEP = """
%long.most = call nnan float @llvm.maxnum.f32(float %long.left, float %long.right)
%norm = call float @llvm.sqrt.f32(float %long.most)
%by_top = fdiv float %top, %widest
%by_norm = fdiv float %norm, %longest
%by_both = call nnan float @llvm.maxnum.f32(float %by_top, float %by_norm)
%step = call nnan float @llvm.maxnum.f32(float %by_both, float 0x3980000000000000)
store float %step, ptr %step.at, align 4
%inverse = fdiv float 1.0, %step
%inverse.first = insertelement <32 x float> poison, float %inverse, i64 0
%times = shufflevector <32 x float> %inverse.first, <32 x float> poison, <32 x i32> zeroinitializer"""


def _rounded(part: int) -> list[str]:
    """Half a group's codes, put where the products look for them, and their sums."""
    at = f"{part}"
    lines = [
        f"%part{at}.at = getelementptr float, ptr %from, i64 {32 * part}",
        f"%part{at} = load <32 x float>, ptr %part{at}.at, align 4",
        f"%scaled{at} = fmul <32 x float> %part{at}, %times",
        f"%whole{at} = call <32 x float> @llvm.rint.v32f32(<32 x float> %scaled{at})",
    ]
    for v in range(4):
        lanes = ", ".join(f"i32 {8 * v + lane}" for lane in range(8))
        lines.append(f"%e{at}_{v} = shufflevector <32 x float> %whole{at}, <32 x float> poison, <8 x i32> <{lanes}>")
    lines += [
        f"%sum{at}a = fadd <8 x float> %e{at}_0, %e{at}_1\n%sum{at}b = fadd <8 x float> %e{at}_2, %e{at}_3",
        f"%sum{at} = fadd <8 x float> %sum{at}a, %sum{at}b",
        f"%integer{at} = fptosi <32 x float> %whole{at} to <32 x i32>",
        f"%bytes{at} = trunc <32 x i32> %integer{at} to <32 x i8>",
        f"%quads{at} = bitcast <32 x i8> %bytes{at} to <8 x i32>",
    ]
    for quad in range(8):
        lines += [
            f"%quad{at}_{quad} = extractelement <8 x i32> %quads{at}, i64 {quad}",
            f"%to{at}_{quad} = getelementptr i32, ptr %to, i64 {TOKENS * (8 * part + quad)}",
            f"store i32 %quad{at}_{quad}, ptr %to{at}_{quad}, align 4",
        ]
    return lines


_CODED_TAIL = """
%left.less = fmul float %sum.left, -64.0
%right.less = fmul float %sum.right, -64.0
%left.whole = fptosi float %left.less to i32
%right.whole = fptosi float %right.less to i32
%low = and i32 %left.whole, 65535
%high = shl i32 %right.whole, 16
%start = or i32 %low, %high
store i32 %start, ptr %start.at, align 4
%g1 = add i64 %g, 1
%more_groups = icmp ult i64 %g1, %groups
br i1 %more_groups, label %group, label %row_end
row_end:
%r1 = add i64 %r, 1
%more_rows = icmp ult i64 %r1, %n
br i1 %more_rows, label %row, label %done
done:
ret void
}"""
