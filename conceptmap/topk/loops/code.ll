; Stored rows to codes of 7 or 8 bits, code 0 being the byte ZERO: conceptmap/topk/loops/codes.py says what is computed and
; why it is safe.
;   stored   n_rows x dim KIND; dim a multiple of 8; inverses: 1 / norm of each row, float
;   row      room for one unit row: width = 32 * fours * chunks float (32 at a time, four registers, keep four sums
;            going side by side); what lies beyond dim must be 0
;   widest   largest code; longest: greatest norm of half a chunk's codes, before rounding
;   codes    tiles of 16 rows, see kernels.py; scale: step of each row's codes; lost: bound on |unit - scale * codes|

define void @code_KIND(ptr noalias %stored, i64 %n_rows, i64 %dim, ptr noalias %inverses, ptr noalias %row, i64 %fours, i64 %chunks,
                       float %widest, float %longest, ptr noalias %codes, ptr noalias %scale, ptr noalias %lost) {
entry:
  %all_fours = mul i64 %fours, %chunks
  %width = mul i64 %all_fours, 32
  %tile_bytes = mul i64 %all_fours, 512
  br label %each_row
each_row:
  %r = phi i64 [0, %entry], [%r1, %row_end]
  %from_at = mul i64 %r, %dim
  %from = getelementptr KIND, ptr %stored, i64 %from_at
  %norm.at = getelementptr float, ptr %inverses, i64 %r
  %norm.value = load float, ptr %norm.at, align 4
  %norm.first = insertelement <8 x float> poison, float %norm.value, i64 0
  %by_norm8 = shufflevector <8 x float> %norm.first, <8 x float> poison, <8 x i32> zeroinitializer
  br label %eight
eight:
  %e = phi i64 [0, %each_row], [%e1, %eight]
  %x.from = getelementptr KIND, ptr %from, i64 %e
  %x8 = load <8 x KIND>, ptr %x.from, align 2
  WIDEN8
  %unit8 = fmul <8 x float> %wide8, %by_norm8
  %unit.at = getelementptr float, ptr %row, i64 %e
  store <8 x float> %unit8, ptr %unit.at, align 4
  %e1 = add i64 %e, 8
  %more_eights = icmp ult i64 %e1, %dim
  br i1 %more_eights, label %eight, label %chunks_of
chunks_of:
  br label %chunk
chunk:
  %c = phi i64 [0, %chunks_of], [%c1, %chunk_end]
  %most0 = phi <32 x float> [zeroinitializer, %chunks_of], [%most, %chunk_end]
  %long0 = phi float [0.0, %chunks_of], [%long, %chunk_end]
  %chunk_four = mul i64 %c, %fours
  br label %size
size:
  %i = phi i64 [0, %chunk], [%i1, %size]
  %most1 = phi <32 x float> [%most0, %chunk], [%most, %size]
  %square0 = phi <32 x float> [zeroinitializer, %chunk], [%square, %size]
  %four = add i64 %chunk_four, %i
  %at = mul i64 %four, 32
  %x.at = getelementptr float, ptr %row, i64 %at
  %x = load <32 x float>, ptr %x.at, align 4
  %size_of = call <32 x float> @llvm.fabs.v32f32(<32 x float> %x)
  %most = call nnan <32 x float> @llvm.maxnum.v32f32(<32 x float> %most1, <32 x float> %size_of)
  %square = call <32 x float> @llvm.fmuladd.v32f32(<32 x float> %x, <32 x float> %x, <32 x float> %square0)
  %i1 = add i64 %i, 1
  %more = icmp ult i64 %i1, %fours
  br i1 %more, label %size, label %chunk_end
chunk_end:
  %left = shufflevector <32 x float> %square, <32 x float> poison, <16 x i32> <i32 0, i32 1, i32 4, i32 5, i32 8, i32 9, i32 12, i32 13, i32 16, i32 17, i32 20, i32 21, i32 24, i32 25, i32 28, i32 29>
  %right = shufflevector <32 x float> %square, <32 x float> poison, <16 x i32> <i32 2, i32 3, i32 6, i32 7, i32 10, i32 11, i32 14, i32 15, i32 18, i32 19, i32 22, i32 23, i32 26, i32 27, i32 30, i32 31>
  %left.sum = call reassoc float @llvm.vector.reduce.fadd.v16f32(float 0.0, <16 x float> %left)
  %right.sum = call reassoc float @llvm.vector.reduce.fadd.v16f32(float 0.0, <16 x float> %right)
  %sum = call nnan float @llvm.maxnum.f32(float %left.sum, float %right.sum)
  %norm = call float @llvm.sqrt.f32(float %sum)
  %long = call nnan float @llvm.maxnum.f32(float %long0, float %norm)
  %c1 = add i64 %c, 1
  %more_chunks = icmp ult i64 %c1, %chunks
  br i1 %more_chunks, label %chunk, label %scaled
scaled:
  %top = call nnan float @llvm.vector.reduce.fmax.v32f32(<32 x float> %most)
  %by_top = fdiv float %top, %widest
  %by_norm = fdiv float %long, %longest
  %by_both = call nnan float @llvm.maxnum.f32(float %by_top, float %by_norm)
  %step = call nnan float @llvm.maxnum.f32(float %by_both, float 0x3980000000000000)
  %inverse = fdiv float 1.0, %step
  %inverse.first = insertelement <32 x float> poison, float %inverse, i64 0
  %times = shufflevector <32 x float> %inverse.first, <32 x float> poison, <32 x i32> zeroinitializer
  %step.minus = fneg float %step
  %step.first = insertelement <32 x float> poison, float %step.minus, i64 0
  %minus = shufflevector <32 x float> %step.first, <32 x float> poison, <32 x i32> zeroinitializer
  %tile = lshr i64 %r, 4
  %in_tile = and i64 %r, 15
  %tile_at = mul i64 %tile, %tile_bytes
  %lane_at = mul i64 %in_tile, 4
  %code_at = add i64 %tile_at, %lane_at
  %row_codes = getelementptr i8, ptr %codes, i64 %code_at
  br label %round
round:
  %p = phi i64 [0, %scaled], [%p1, %round]
  %rest0 = phi <32 x float> [zeroinitializer, %scaled], [%rest, %round]
  %v.place = mul i64 %p, 32
  %v.at = getelementptr float, ptr %row, i64 %v.place
  %v = load <32 x float>, ptr %v.at, align 4
  %scaled_v = fmul <32 x float> %v, %times
  %whole = call <32 x float> @llvm.rint.v32f32(<32 x float> %scaled_v)
  %gap = call <32 x float> @llvm.fmuladd.v32f32(<32 x float> %whole, <32 x float> %minus, <32 x float> %v)
  %rest = call <32 x float> @llvm.fmuladd.v32f32(<32 x float> %gap, <32 x float> %gap, <32 x float> %rest0)
  %integer = fptosi <32 x float> %whole to <32 x i32>
  %shifted = add <32 x i32> %integer, splat (i32 ZERO)
  %bytes = trunc <32 x i32> %shifted to <32 x i8>
  %quads = bitcast <32 x i8> %bytes to <8 x i32>
  %quads.place = mul i64 %p, 512
  %quads.at = getelementptr i8, ptr %row_codes, i64 %quads.place
  %quad0 = extractelement <8 x i32> %quads, i64 0
  %quad0.at = getelementptr i8, ptr %quads.at, i64 0
  store i32 %quad0, ptr %quad0.at, align 4
  %quad1 = extractelement <8 x i32> %quads, i64 1
  %quad1.at = getelementptr i8, ptr %quads.at, i64 64
  store i32 %quad1, ptr %quad1.at, align 4
  %quad2 = extractelement <8 x i32> %quads, i64 2
  %quad2.at = getelementptr i8, ptr %quads.at, i64 128
  store i32 %quad2, ptr %quad2.at, align 4
  %quad3 = extractelement <8 x i32> %quads, i64 3
  %quad3.at = getelementptr i8, ptr %quads.at, i64 192
  store i32 %quad3, ptr %quad3.at, align 4
  %quad4 = extractelement <8 x i32> %quads, i64 4
  %quad4.at = getelementptr i8, ptr %quads.at, i64 256
  store i32 %quad4, ptr %quad4.at, align 4
  %quad5 = extractelement <8 x i32> %quads, i64 5
  %quad5.at = getelementptr i8, ptr %quads.at, i64 320
  store i32 %quad5, ptr %quad5.at, align 4
  %quad6 = extractelement <8 x i32> %quads, i64 6
  %quad6.at = getelementptr i8, ptr %quads.at, i64 384
  store i32 %quad6, ptr %quad6.at, align 4
  %quad7 = extractelement <8 x i32> %quads, i64 7
  %quad7.at = getelementptr i8, ptr %quads.at, i64 448
  store i32 %quad7, ptr %quad7.at, align 4
  %p1 = add i64 %p, 1
  %more_fours = icmp ult i64 %p1, %all_fours
  br i1 %more_fours, label %round, label %row_end
row_end:
  %rest_sum = call reassoc float @llvm.vector.reduce.fadd.v32f32(float 0.0, <32 x float> %rest)
  %rest_norm = call float @llvm.sqrt.f32(float %rest_sum)
  %scale.at = getelementptr float, ptr %scale, i64 %r
  store float %step, ptr %scale.at, align 4
  %lost.at = getelementptr float, ptr %lost, i64 %r
  %enlarged = fmul float %rest_norm, 0x3FF0080000000000 ; 1 + 2**-9
  %bound = fadd float %enlarged, 0x3EB0000000000000 ; 2**-20
  store float %bound, ptr %lost.at, align 4
  %r1 = add i64 %r, 1
  %more_rows = icmp ult i64 %r1, %n_rows
  br i1 %more_rows, label %each_row, label %done
done:
  ret void
}
