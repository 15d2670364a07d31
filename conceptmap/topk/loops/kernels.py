"""Five loops that no matrix library has, in LLVM's language, for the vector instructions of this processor.

``ask``: queries to unit vectors and 8-bit codes, with what that loses. ``code``: stored rows to 7 or 8 bits, likewise.
``scan``: products of codes, compared in registers, so that one bit per row and query is all that is written.
``settle``: float32 products of the pairs whose bit is set, and the thresholds that they raise. ``dots``: products of
the last candidates, in float64.

Codes lie in tiles of 16 rows, four dimensions of each row together: byte ``((tile * quads + quad) * 16 + row) * 4 + j``
is dimension ``4 * quad + j``, plus 64 or 128 so that it is never negative. A vector register holds 8 or 16 rows then,
and four dimensions of a query, repeated, meet them all in one instruction. Two registers of rows meet a group of
queries, so that each query is loaded once for two multiplications: processors that multiply twice in a cycle load no
more than twice. Without VNNI dimensions come in chunks, summed in 16 bits, which `quantised.py` keeps from
overflowing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from conceptmap.topk.loops.machine_code import splat

__all__ = ["AVX2", "AVX_VNNI", "PLAIN", "ROWS_PER_TILE", "VNNI", "Target", "source"]

ROWS_PER_TILE = 16


@dataclass(frozen=True, slots=True)
class Target:
    """How one kind of processor multiplies bytes.

    Attributes:
        name: "avx2", "avxvnni", "vnni" or "plain" (any processor; slow, for tests).
        rows: rows in a register of 32-bit sums.
        tiles: tiles that are read together.
        queries: queries that they meet at once; with the tiles' registers their sums fill the register file.
        narrow: whether a chunk is summed in 16 bits first; codes of rows have 7 bits then, else 8.
    """

    name: str
    rows: int
    tiles: int
    queries: int
    narrow: bool

    @property
    def zero(self) -> int:
        """The byte of a row's code 0; codes reach nearly as far below it as above."""
        return 64 if self.narrow else 128

    @property
    def registers(self) -> int:
        """Registers of rows."""
        return self.tiles * ROWS_PER_TILE // self.rows

    def place(self, register: int) -> tuple[int, int]:
        """A register's tile, and its first row there."""
        return divmod(register * self.rows, ROWS_PER_TILE)


AVX2 = Target("avx2", rows=8, tiles=1, queries=6, narrow=True)
AVX_VNNI = Target("avxvnni", rows=8, tiles=1, queries=6, narrow=False)
VNNI = Target("vnni", rows=16, tiles=2, queries=12, narrow=False)
PLAIN = Target("plain", rows=16, tiles=2, queries=4, narrow=False)


def source(target: Target) -> str:
    """The module's text."""
    here = Path(__file__).parent
    rest = [(here / "ask.ll").read_text(encoding="utf-8").replace("ZERO", str(target.zero))]
    for name in ("code.ll", "settle.ll", "dots.ll"):
        text = (here / name).read_text(encoding="utf-8")
        for kind, how in _WIDENED.items():
            own = text.replace("KIND", kind).replace("ZERO", str(target.zero))
            for n in (8, 32):
                own = own.replace(f"WIDEN{n}", how.format(x=f"%x{n}", n=n, wide=f"%wide{n}"))
            rest.append(own)
    return "\n".join([_DECLARED[target.name], _DECLARED_FOR_ALL, *_scan(target), *rest])


_WIDENED = {
    "half": "{wide} = fpext <{n} x half> {x} to <{n} x float>",
    "float": "{wide} = fadd <{n} x float> {x}, splat (float -0.0)",
    "i16": "{wide}.bits = zext <{n} x i16> {x} to <{n} x i32>\n"
    "  {wide}.high = shl <{n} x i32> {wide}.bits, splat (i32 16)\n"
    "  {wide} = bitcast <{n} x i32> {wide}.high to <{n} x float>",
}
"""How stored numbers become float32; i16 holds the bits of bfloat16, which are float32's upper half."""

_DECLARED_FOR_ALL = """
declare i16 @llvm.cttz.i16(i16, i1)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
declare float @llvm.maxnum.f32(float, float)
declare float @llvm.sqrt.f32(float)
declare double @llvm.fabs.f64(double)
declare double @llvm.maxnum.f64(double, double)
declare double @llvm.sqrt.f64(double)
declare double @llvm.vector.reduce.fadd.v4f64(double, <4 x double>)
declare double @llvm.vector.reduce.fmax.v8f64(<8 x double>)
declare i32 @llvm.vector.reduce.add.v4i32(<4 x i32>)
declare <8 x double> @llvm.fabs.v8f64(<8 x double>)
declare <8 x double> @llvm.maxnum.v8f64(<8 x double>, <8 x double>)
declare <8 x double> @llvm.rint.v8f64(<8 x double>)
declare float @llvm.vector.reduce.fmax.v32f32(<32 x float>)
declare float @llvm.vector.reduce.fadd.v8f32(float, <8 x float>)
declare float @llvm.vector.reduce.fadd.v16f32(float, <16 x float>)
declare float @llvm.vector.reduce.fadd.v32f32(float, <32 x float>)
declare double @llvm.vector.reduce.fadd.v8f64(double, <8 x double>)
declare <8 x float> @llvm.fmuladd.v8f32(<8 x float>, <8 x float>, <8 x float>)
declare <16 x float> @llvm.fmuladd.v16f32(<16 x float>, <16 x float>, <16 x float>)
declare <32 x float> @llvm.fmuladd.v32f32(<32 x float>, <32 x float>, <32 x float>)
declare <8 x double> @llvm.fmuladd.v8f64(<8 x double>, <8 x double>, <8 x double>)
declare <32 x float> @llvm.fabs.v32f32(<32 x float>)
declare <32 x float> @llvm.maxnum.v32f32(<32 x float>, <32 x float>)
declare <32 x float> @llvm.rint.v32f32(<32 x float>)"""

_DECLARED = {
    "avx2": """
declare <16 x i16> @llvm.x86.avx2.pmadd.ub.sw(<32 x i8>, <32 x i8>)
declare <8 x i32> @llvm.x86.avx2.pmadd.wd(<16 x i16>, <16 x i16>)""",
    "avxvnni": "declare <8 x i32> @llvm.x86.avx512.vpdpbusd.256(<8 x i32>, <8 x i32>, <8 x i32>)",
    "vnni": "declare <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32>, <16 x i32>, <16 x i32>)",
    "plain": "",
}


def _dot(target: Target, sums: str, rows: str, query: str, out: str) -> list[str]:
    """Add the products of four dimensions of a register of rows (bytes) with a query's (signed bytes) to the sums."""
    if target.narrow:
        return [
            f"%m{out} = call <16 x i16> @llvm.x86.avx2.pmadd.ub.sw(<32 x i8> %{rows}, <32 x i8> %{query})",
            f"%{out} = add <16 x i16> %{sums}, %m{out}",
        ]
    n, bits = target.rows, 32 * target.rows
    if target.name != "plain":
        types = ", ".join(f"<{n} x i32> %{name}" for name in (sums, f"r{out}", f"q{out}"))
        return [
            f"%r{out} = bitcast <{4 * n} x i8> %{rows} to <{n} x i32>",
            f"%q{out} = bitcast <{4 * n} x i8> %{query} to <{n} x i32>",
            f"%{out} = call <{n} x i32> @llvm.x86.avx512.vpdpbusd.{bits}({types})",
        ]
    lines = [
        f"%r{out} = zext <{4 * n} x i8> %{rows} to <{4 * n} x i32>",
        f"%q{out} = sext <{4 * n} x i8> %{query} to <{4 * n} x i32>",
        f"%p{out} = mul <{4 * n} x i32> %r{out}, %q{out}",
    ]
    before = sums
    for j in range(4):
        after = out if j == 3 else f"s{out}.{j}"
        places = ", ".join(f"i32 {4 * row + j}" for row in range(n))
        lines += [
            f"%p{out}.{j} = shufflevector <{4 * n} x i32> %p{out}, <{4 * n} x i32> poison, <{n} x i32> <{places}>",
            f"%{after} = add <{n} x i32> %{before}, %p{out}.{j}",
        ]
        before = after
    return lines


def _scan(target: Target) -> list[str]:
    """Tiles, groups of queries, chunks, quads: four loops, the innermost in registers."""
    each = [(h, i) for i in range(target.queries) for h in range(target.registers)]
    sums = "<16 x i16>" if target.narrow else f"<{target.rows} x i32>"
    wide, whole = f"<{target.rows} x i32>", "n" if target.narrow else "b"
    return [
        _SCAN_HEAD,
        *(line for p in range(target.tiles) for line in _tile(p)),
        _SCAN_GROUP,
        *(f"%s{h}_{i} = phi {wide} [zeroinitializer, %group], [%{whole}{h}_{i}, %chunk_end]" for h, i in each),
        _scan_chunk(target),
        *_starts(target),
        "br label %quad\nquad:\n%j = phi i64 [0, %chunk], [%j1, %quad]",
        *(f"%a{h}_{i} = phi {sums} [%start{h}_{i}, %chunk], [%b{h}_{i}, %quad]" for h, i in each),
        *_products(target),
        "%j1 = add i64 %j, 1\n%more_quads = icmp ult i64 %j1, %quads\nbr i1 %more_quads, label %quad, label %chunk_end",
        "chunk_end:",
        *(line for h, i in each if target.narrow for line in _widened(f"{h}_{i}")),
        "%c1 = add i64 %c, 1\n%more_chunks = icmp ult i64 %c1, %chunks",
        "br i1 %more_chunks, label %chunk, label %group_end\ngroup_end:",
        *_compared(target, whole),
        _SCAN_TAIL.format(tiles=target.tiles),
    ]


_SCAN_HEAD = """
define void @scan(ptr noalias %codes, i64 %tiles, i64 %quads, i64 %chunks, ptr noalias %queries, ptr noalias %starts,
                  i64 %groups, ptr noalias %scale, ptr noalias %lost, ptr noalias %lift, ptr noalias %level,
                  ptr noalias %found) {
entry:
%chunk_bytes = mul i64 %quads, 64
%tile_bytes = mul i64 %chunk_bytes, %chunks
br label %tile
tile:
%t = phi i64 [0, %entry], [%t1, %tile_end]"""

_SCAN_GROUP = """
br label %group
group:
%g = phi i64 [0, %tile], [%g1, %group_end]
%group_chunk = mul i64 %g, %chunks
br label %chunk
chunk:
%c = phi i64 [0, %group], [%c1, %chunk_end]"""

_SCAN_TAIL = """
%g1 = add i64 %g, 1
%more_groups = icmp ult i64 %g1, %groups
br i1 %more_groups, label %group, label %tile_end
tile_end:
%t1 = add i64 %t, {tiles}
%more_tiles = icmp ult i64 %t1, %tiles
br i1 %more_tiles, label %tile, label %done
done:
ret void
}}"""


def _tile(p: int) -> list[str]:
    """Where a tile's values lie. Where there is no tile after the last, that one is met twice, and answers alike."""
    return [
        f"%tile{p}.next = add i64 %t, {p}\n%tile{p}.inside = icmp ult i64 %tile{p}.next, %tiles",
        f"%tile{p} = select i1 %tile{p}.inside, i64 %tile{p}.next, i64 %t",
        f"%tile_at{p} = mul i64 %tile{p}, %tile_bytes\n%tile_codes{p} = getelementptr i8, ptr %codes, i64 %tile_at{p}",
        f"%first_row{p} = mul i64 %tile{p}, 16\n%tile_found{p} = mul i64 %tile{p}, %groups",
        f"%tile_scale{p} = getelementptr float, ptr %scale, i64 %first_row{p}",
        f"%tile_lost{p} = getelementptr float, ptr %lost, i64 %first_row{p}",
    ]


def _scan_chunk(target: Target) -> str:
    tiles = "".join(
        f"\n%chunk_codes{p} = getelementptr i8, ptr %tile_codes{p}, i64 %codes_at" for p in range(target.tiles)
    )
    return f"""
%at_chunk = add i64 %group_chunk, %c
%start_at = mul i64 %at_chunk, {target.queries}
%start = getelementptr i32, ptr %starts, i64 %start_at
%codes_at = mul i64 %c, %chunk_bytes{tiles}
%queries_at0 = mul i64 %at_chunk, %quads
%queries_at = mul i64 %queries_at0, {target.queries}
%chunk_queries = getelementptr i32, ptr %queries, i64 %queries_at"""


def _starts(target: Target) -> list[str]:
    """Sums begin where they undo the zero of the rows' bytes; in 32 bits, with those of the chunks before."""
    n, lines = target.rows, []
    for i in range(target.queries):
        lines.append(f"%start.at{i} = getelementptr i32, ptr %start, i64 {i}")
        lines += splat(f"start.lanes{i}", f"%start.at{i}", "i32", n)
        for h in range(target.registers):
            packed = f"bitcast <{n} x i32> %start.lanes{i} to <{2 * n} x i16>"
            added = f"add <{n} x i32> %s{h}_{i}, %start.lanes{i}"
            lines.append(f"%start{h}_{i} = {packed if target.narrow else added}")
    return lines


def _products(target: Target) -> list[str]:
    size = 4 * target.rows
    lines = [
        f"%row_at = mul i64 %j, 64\n%query_at = mul i64 %j, {target.queries}",
        "%query = getelementptr i32, ptr %chunk_queries, i64 %query_at",
    ]
    for h in range(target.registers):
        tile, row = target.place(h)
        lines += [
            f"%row{h}.quad = getelementptr i8, ptr %chunk_codes{tile}, i64 %row_at",
            f"%row{h}.at = getelementptr i8, ptr %row{h}.quad, i64 {4 * row}",
            f"%row{h} = load <{size} x i8>, ptr %row{h}.at, align {size}",
        ]
    for i in range(target.queries):
        lines.append(f"%query.at{i} = getelementptr i32, ptr %query, i64 {i}")
        lines += splat(f"query.lanes{i}", f"%query.at{i}", "i32", target.rows)
        lines.append(f"%query{i} = bitcast <{target.rows} x i32> %query.lanes{i} to <{size} x i8>")
        for h in range(target.registers):
            lines += _dot(target, f"a{h}_{i}", f"row{h}", f"query{i}", f"b{h}_{i}")
    return lines


def _widened(at: str) -> list[str]:
    ones = ", ".join(["i16 1"] * 16)
    return [
        f"%w{at} = call <8 x i32> @llvm.x86.avx2.pmadd.wd(<16 x i16> %b{at}, <16 x i16> <{ones}>)",
        f"%n{at} = add <8 x i32> %s{at}, %w{at}",
    ]


def _compared(target: Target, whole: str) -> list[str]:
    """One bit a row: sum * scale + lost * lift >= level."""
    n, q = target.rows, target.queries
    lines = [
        f"%query_of = mul i64 %g, {q}\n%lifts = getelementptr float, ptr %lift, i64 %query_of",
        "%levels = getelementptr float, ptr %level, i64 %query_of",
    ]
    for p in range(target.tiles):
        lines.append(f"%found_at{p}.group = add i64 %tile_found{p}, %g\n%found_at{p} = mul i64 %found_at{p}.group, {q}")
        lines.append(f"%bits{p} = getelementptr i16, ptr %found, i64 %found_at{p}")
    for h in range(target.registers):
        tile, row = target.place(h)
        for name in ("scale", "lost"):
            lines.append(f"%{name}{h}.at = getelementptr float, ptr %tile_{name}{tile}, i64 {row}")
            lines.append(f"%{name}{h} = load <{n} x float>, ptr %{name}{h}.at, align 4")
    for i in range(q):
        for name in ("lift", "level"):
            lines.append(f"%{name}.at{i} = getelementptr float, ptr %{name}s, i64 {i}")
            lines += splat(f"{name}{i}", f"%{name}.at{i}", "float", n)
        for h in range(target.registers):
            lines += _compared_register(n, h, i, f"%{whole}{h}_{i}")
        for p in range(target.tiles):
            lines += _joined(target, p, i)
    return lines


def _compared_register(n: int, h: int, i: int, sums: str) -> list[str]:
    at = f"{h}_{i}"
    added = ", ".join(f"<{n} x float> %{value}" for value in (f"lost{h}", f"lift{i}", f"x{at}"))
    return [
        f"%f{at} = sitofp <{n} x i32> {sums} to <{n} x float>",
        f"%x{at} = fmul <{n} x float> %f{at}, %scale{h}",
        f"%z{at} = call <{n} x float> @llvm.fmuladd.v{n}f32({added})",
        f"%k{at} = fcmp oge <{n} x float> %z{at}, %level{i}",
        f"%bits{at} = bitcast <{n} x i1> %k{at} to i{n}",
    ]


def _joined(target: Target, p: int, i: int) -> list[str]:
    """The bits of a tile's registers, in their order."""
    lines = [f"%bits{p}.at{i} = getelementptr i16, ptr %bits{p}, i64 {i}"]
    if target.rows == ROWS_PER_TILE:
        return [*lines, f"store i16 %bits{p}_{i}, ptr %bits{p}.at{i}"]
    low, high = 2 * p, 2 * p + 1
    return [
        *lines,
        f"%low{p}_{i} = zext i8 %bits{low}_{i} to i16\n%high{p}_{i} = zext i8 %bits{high}_{i} to i16",
        f"%up{p}_{i} = shl i16 %high{p}_{i}, 8\n%both{p}_{i} = or i16 %up{p}_{i}, %low{p}_{i}",
        f"store i16 %both{p}_{i}, ptr %bits{p}.at{i}",
    ]
