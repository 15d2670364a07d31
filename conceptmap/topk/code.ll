; Unit rows to 7-bit codes: conceptmap/topk/codes.py says what is computed and why it is safe.
;   unit    n_rows x width float, width = 8 * pairs * chunks (a pair is two quads of dimensions)
;   widest  largest code; longest: greatest norm of a chunk's codes, before rounding
;   codes   tiles of 16 rows, see kernels.py; scale: step of each row's codes; lost: norm of unit - scale * codes
declare <8 x float> @llvm.fabs.v8f32(<8 x float>)
declare <8 x float> @llvm.maxnum.v8f32(<8 x float>, <8 x float>)
declare <8 x float> @llvm.rint.v8f32(<8 x float>)
declare <8 x float> @llvm.fmuladd.v8f32(<8 x float>, <8 x float>, <8 x float>)
declare float @llvm.vector.reduce.fmax.v8f32(<8 x float>)
declare float @llvm.vector.reduce.fadd.v8f32(float, <8 x float>)
declare float @llvm.maxnum.f32(float, float)
declare float @llvm.sqrt.f32(float)

define void @code(ptr noalias %unit, i64 %n_rows, i64 %pairs, i64 %chunks, float %widest, float %longest,
                  ptr noalias %codes, ptr noalias %scale, ptr noalias %lost) {
entry:
  %all_pairs = mul i64 %pairs, %chunks
  %width = mul i64 %all_pairs, 8
  %tile_bytes = mul i64 %all_pairs, 128
  br label %row
row:
  %r = phi i64 [0, %entry], [%r1, %row_end]
  %row_at = mul i64 %r, %width
  %values = getelementptr float, ptr %unit, i64 %row_at
  br label %chunk
chunk:
  %c = phi i64 [0, %row], [%c1, %chunk_end]
  %most0 = phi <8 x float> [zeroinitializer, %row], [%most, %chunk_end]
  %long0 = phi float [0.0, %row], [%long, %chunk_end]
  %chunk_pair = mul i64 %c, %pairs
  br label %size
size:
  %i = phi i64 [0, %chunk], [%i1, %size]
  %most1 = phi <8 x float> [%most0, %chunk], [%most, %size]
  %square0 = phi <8 x float> [zeroinitializer, %chunk], [%square, %size]
  %pair = add i64 %chunk_pair, %i
  %at = mul i64 %pair, 8
  %x.at = getelementptr float, ptr %values, i64 %at
  %x = load <8 x float>, ptr %x.at, align 4
  %size_of = call <8 x float> @llvm.fabs.v8f32(<8 x float> %x)
  %most = call nnan <8 x float> @llvm.maxnum.v8f32(<8 x float> %most1, <8 x float> %size_of)
  %square = call <8 x float> @llvm.fmuladd.v8f32(<8 x float> %x, <8 x float> %x, <8 x float> %square0)
  %i1 = add i64 %i, 1
  %more = icmp ult i64 %i1, %pairs
  br i1 %more, label %size, label %chunk_end
chunk_end:
  %sum = call reassoc float @llvm.vector.reduce.fadd.v8f32(float 0.0, <8 x float> %square)
  %norm = call float @llvm.sqrt.f32(float %sum)
  %long = call nnan float @llvm.maxnum.f32(float %long0, float %norm)
  %c1 = add i64 %c, 1
  %more_chunks = icmp ult i64 %c1, %chunks
  br i1 %more_chunks, label %chunk, label %scaled
scaled:
  %top = call nnan float @llvm.vector.reduce.fmax.v8f32(<8 x float> %most)
  %by_top = fdiv float %top, %widest
  %by_norm = fdiv float %long, %longest
  %by_both = call nnan float @llvm.maxnum.f32(float %by_top, float %by_norm)
  %step = call nnan float @llvm.maxnum.f32(float %by_both, float 0x3980000000000000)
  %inverse = fdiv float 1.0, %step
  %inverse.first = insertelement <8 x float> poison, float %inverse, i64 0
  %times = shufflevector <8 x float> %inverse.first, <8 x float> poison, <8 x i32> zeroinitializer
  %step.minus = fneg float %step
  %step.first = insertelement <8 x float> poison, float %step.minus, i64 0
  %minus = shufflevector <8 x float> %step.first, <8 x float> poison, <8 x i32> zeroinitializer
  %tile = lshr i64 %r, 4
  %in_tile = and i64 %r, 15
  %tile_at = mul i64 %tile, %tile_bytes
  %lane_at = mul i64 %in_tile, 4
  %code_at = add i64 %tile_at, %lane_at
  %row_codes = getelementptr i8, ptr %codes, i64 %code_at
  br label %round
round:
  %p = phi i64 [0, %scaled], [%p1, %round]
  %rest0 = phi <8 x float> [zeroinitializer, %scaled], [%rest, %round]
  %v.place = mul i64 %p, 8
  %v.at = getelementptr float, ptr %values, i64 %v.place
  %v = load <8 x float>, ptr %v.at, align 4
  %scaled_v = fmul <8 x float> %v, %times
  %whole = call <8 x float> @llvm.rint.v8f32(<8 x float> %scaled_v)
  %gap = call <8 x float> @llvm.fmuladd.v8f32(<8 x float> %whole, <8 x float> %minus, <8 x float> %v)
  %rest = call <8 x float> @llvm.fmuladd.v8f32(<8 x float> %gap, <8 x float> %gap, <8 x float> %rest0)
  %integer = fptosi <8 x float> %whole to <8 x i32>
  %shifted = add <8 x i32> %integer, <i32 64, i32 64, i32 64, i32 64, i32 64, i32 64, i32 64, i32 64>
  %bytes = trunc <8 x i32> %shifted to <8 x i8>
  %two = bitcast <8 x i8> %bytes to <2 x i32>
  %even = extractelement <2 x i32> %two, i64 0
  %odd = extractelement <2 x i32> %two, i64 1
  %even.place = mul i64 %p, 128
  %even.at = getelementptr i8, ptr %row_codes, i64 %even.place
  %odd.at = getelementptr i8, ptr %even.at, i64 64
  store i32 %even, ptr %even.at, align 4
  store i32 %odd, ptr %odd.at, align 4
  %p1 = add i64 %p, 1
  %more_pairs = icmp ult i64 %p1, %all_pairs
  br i1 %more_pairs, label %round, label %row_end
row_end:
  %rest_sum = call reassoc float @llvm.vector.reduce.fadd.v8f32(float 0.0, <8 x float> %rest)
  %rest_norm = call float @llvm.sqrt.f32(float %rest_sum)
  %scale.at = getelementptr float, ptr %scale, i64 %r
  store float %step, ptr %scale.at, align 4
  %lost.at = getelementptr float, ptr %lost, i64 %r
  store float %rest_norm, ptr %lost.at, align 4
  %r1 = add i64 %r, 1
  %more_rows = icmp ult i64 %r1, %n_rows
  br i1 %more_rows, label %row, label %done
done:
  ret void
}
