; Queries to unit vectors and 8-bit codes: conceptmap/topk/loops/codes.py says what is computed and why it is safe. All is
; measured in double.
;   queries  n x dim float, of these norms; dim a multiple of 8
;   row      room for one unit query: width = 8 * pairs * chunks double; what lies beyond dim must be 0. A chunk here is
;            what is summed by itself: all dimensions, where sums have 32 bits
;   widest   largest code; longest: greatest norm of half a chunk's codes, before rounding, or infinity
;   abreast  queries in a group; narrow: whether starts are packed in 16 bits each, or added
;   unit     n x width float; codes, starts, step, drop, lift: see Coded
define void @ask(ptr noalias %queries, i64 %n, i64 %dim, ptr noalias %norms, ptr noalias %row, i64 %pairs, i64 %chunks,
                 double %widest, double %longest, i64 %abreast, i64 %narrow, ptr noalias %unit, ptr noalias %codes,
                 ptr noalias %starts, ptr noalias %step, ptr noalias %drop, ptr noalias %lift) {
entry:
  %all_pairs = mul i64 %pairs, %chunks
  %width = mul i64 %all_pairs, 8
  %is_narrow = icmp ne i64 %narrow, 0
  br label %query
query:
  %q = phi i64 [0, %entry], [%q1, %query_end]
  %from_at = mul i64 %q, %dim
  %from = getelementptr float, ptr %queries, i64 %from_at
  %to_at = mul i64 %q, %width
  %to = getelementptr float, ptr %unit, i64 %to_at
  %norm.at = getelementptr double, ptr %norms, i64 %q
  %norm = load double, ptr %norm.at, align 8
  %inverse = fdiv double 1.0, %norm
  %inverse.first = insertelement <8 x double> poison, double %inverse, i64 0
  %by_norm = shufflevector <8 x double> %inverse.first, <8 x double> poison, <8 x i32> zeroinitializer
  br label %eight
eight:
  %e = phi i64 [0, %query], [%e1, %eight]
  %x.at = getelementptr float, ptr %from, i64 %e
  %x = load <8 x float>, ptr %x.at, align 4
  %x.wide = fpext <8 x float> %x to <8 x double>
  %u = fmul <8 x double> %x.wide, %by_norm
  %u.at = getelementptr double, ptr %row, i64 %e
  store <8 x double> %u, ptr %u.at, align 8
  %u.narrow = fptrunc <8 x double> %u to <8 x float>
  %unit.at = getelementptr float, ptr %to, i64 %e
  store <8 x float> %u.narrow, ptr %unit.at, align 4
  %e1 = add i64 %e, 8
  %more_eights = icmp ult i64 %e1, %dim
  br i1 %more_eights, label %eight, label %chunk
chunk:
  %c = phi i64 [0, %eight], [%c1, %chunk_end]
  %most0 = phi <8 x double> [zeroinitializer, %eight], [%most, %chunk_end]
  %long0 = phi double [0.0, %eight], [%long, %chunk_end]
  %chunk_pair = mul i64 %c, %pairs
  br label %size
size:
  %i = phi i64 [0, %chunk], [%i1, %size]
  %most1 = phi <8 x double> [%most0, %chunk], [%most, %size]
  %square0 = phi <8 x double> [zeroinitializer, %chunk], [%square, %size]
  %pair = add i64 %chunk_pair, %i
  %pair_at = mul i64 %pair, 8
  %s.at = getelementptr double, ptr %row, i64 %pair_at
  %s = load <8 x double>, ptr %s.at, align 8
  %size_of = call <8 x double> @llvm.fabs.v8f64(<8 x double> %s)
  %most = call nnan <8 x double> @llvm.maxnum.v8f64(<8 x double> %most1, <8 x double> %size_of)
  %square = call <8 x double> @llvm.fmuladd.v8f64(<8 x double> %s, <8 x double> %s, <8 x double> %square0)
  %i1 = add i64 %i, 1
  %more = icmp ult i64 %i1, %pairs
  br i1 %more, label %size, label %chunk_end
chunk_end:
  %left = shufflevector <8 x double> %square, <8 x double> poison, <4 x i32> <i32 0, i32 1, i32 4, i32 5>
  %right = shufflevector <8 x double> %square, <8 x double> poison, <4 x i32> <i32 2, i32 3, i32 6, i32 7>
  %left.sum = call reassoc double @llvm.vector.reduce.fadd.v4f64(double 0.0, <4 x double> %left)
  %right.sum = call reassoc double @llvm.vector.reduce.fadd.v4f64(double 0.0, <4 x double> %right)
  %sum = call nnan double @llvm.maxnum.f64(double %left.sum, double %right.sum)
  %half_norm = call double @llvm.sqrt.f64(double %sum)
  %long = call nnan double @llvm.maxnum.f64(double %long0, double %half_norm)
  %c1 = add i64 %c, 1
  %more_chunks = icmp ult i64 %c1, %chunks
  br i1 %more_chunks, label %chunk, label %scaled
scaled:
  %top = call nnan double @llvm.vector.reduce.fmax.v8f64(<8 x double> %most)
  %by_top = fdiv double %top, %widest
  %by_long = fdiv double %long, %longest
  %step.value = call nnan double @llvm.maxnum.f64(double %by_top, double %by_long)
  %by_step = fdiv double 1.0, %step.value
  %by_step.first = insertelement <8 x double> poison, double %by_step, i64 0
  %times = shufflevector <8 x double> %by_step.first, <8 x double> poison, <8 x i32> zeroinitializer
  %step.minus = fneg double %step.value
  %step.first = insertelement <8 x double> poison, double %step.minus, i64 0
  %minus = shufflevector <8 x double> %step.first, <8 x double> poison, <8 x i32> zeroinitializer
  %group = udiv i64 %q, %abreast
  %lane = urem i64 %q, %abreast
  %group_quads = mul i64 %all_pairs, 2
  %group_at = mul i64 %group, %group_quads
  %group_starts = mul i64 %group, %chunks
  br label %code_chunk
code_chunk:
  %d = phi i64 [0, %scaled], [%d1, %code_chunk_end]
  %rest0 = phi <8 x double> [zeroinitializer, %scaled], [%rest, %code_chunk_end]
  %codes0 = phi <8 x double> [zeroinitializer, %scaled], [%codes2, %code_chunk_end]
  %first_pair = mul i64 %d, %pairs
  br label %round
round:
  %p = phi i64 [0, %code_chunk], [%p1, %round]
  %rest1 = phi <8 x double> [%rest0, %code_chunk], [%rest, %round]
  %codes1 = phi <8 x double> [%codes0, %code_chunk], [%codes2, %round]
  %sums0 = phi <8 x i32> [zeroinitializer, %code_chunk], [%sums, %round]
  %v.pair = add i64 %first_pair, %p
  %v.place = mul i64 %v.pair, 8
  %v.at = getelementptr double, ptr %row, i64 %v.place
  %v = load <8 x double>, ptr %v.at, align 8
  %in_steps = fmul <8 x double> %v, %times
  %whole = call <8 x double> @llvm.rint.v8f64(<8 x double> %in_steps)
  %gap = call <8 x double> @llvm.fmuladd.v8f64(<8 x double> %whole, <8 x double> %minus, <8 x double> %v)
  %rest = call <8 x double> @llvm.fmuladd.v8f64(<8 x double> %gap, <8 x double> %gap, <8 x double> %rest1)
  %codes2 = call <8 x double> @llvm.fmuladd.v8f64(<8 x double> %whole, <8 x double> %whole, <8 x double> %codes1)
  %integer = fptosi <8 x double> %whole to <8 x i32>
  %sums = add <8 x i32> %sums0, %integer
  %bytes = trunc <8 x i32> %integer to <8 x i8>
  %quads = bitcast <8 x i8> %bytes to <2 x i32>
  %quad = mul i64 %v.pair, 2
  %quad_of = add i64 %group_at, %quad
  %quad_at = mul i64 %quad_of, %abreast
  %lane_at = add i64 %quad_at, %lane
  %quad0 = extractelement <2 x i32> %quads, i64 0
  %quad0.at = getelementptr i32, ptr %codes, i64 %lane_at
  store i32 %quad0, ptr %quad0.at, align 4
  %quad1 = extractelement <2 x i32> %quads, i64 1
  %quad1.at = getelementptr i32, ptr %quad0.at, i64 %abreast
  store i32 %quad1, ptr %quad1.at, align 4
  %p1 = add i64 %p, 1
  %more_pairs = icmp ult i64 %p1, %pairs
  br i1 %more_pairs, label %round, label %code_chunk_end
code_chunk_end:
  %sums.left = shufflevector <8 x i32> %sums, <8 x i32> poison, <4 x i32> <i32 0, i32 1, i32 4, i32 5>
  %sums.right = shufflevector <8 x i32> %sums, <8 x i32> poison, <4 x i32> <i32 2, i32 3, i32 6, i32 7>
  %left.codes = call i32 @llvm.vector.reduce.add.v4i32(<4 x i32> %sums.left)
  %right.codes = call i32 @llvm.vector.reduce.add.v4i32(<4 x i32> %sums.right)
  %start.left = mul i32 %left.codes, -ZERO
  %start.right = mul i32 %right.codes, -ZERO
  %start.high = shl i32 %start.right, 16
  %start.low = and i32 %start.left, 65535
  %start.packed = or i32 %start.high, %start.low
  %start.added = add i32 %start.left, %start.right
  %start.value = select i1 %is_narrow, i32 %start.packed, i32 %start.added
  %start_of = add i64 %group_starts, %d
  %start_at0 = mul i64 %start_of, %abreast
  %start_at = add i64 %start_at0, %lane
  %start.at = getelementptr i32, ptr %starts, i64 %start_at
  store i32 %start.value, ptr %start.at, align 4
  %d1 = add i64 %d, 1
  %more_code_chunks = icmp ult i64 %d1, %chunks
  br i1 %more_code_chunks, label %code_chunk, label %query_end
query_end:
  %rest.sum = call reassoc double @llvm.vector.reduce.fadd.v8f64(double 0.0, <8 x double> %rest)
  %moved = call double @llvm.sqrt.f64(double %rest.sum)
  %moved.more = fmul double %moved, 0x3FF0000100000000 ; 1 + 2**-20
  %drop.value = fadd double %moved.more, 0x3EB0000100000000 ; 2**-20 + 2**-40
  %codes.sum = call reassoc double @llvm.vector.reduce.fadd.v8f64(double 0.0, <8 x double> %codes2)
  %codes.norm = call double @llvm.sqrt.f64(double %codes.sum)
  %lift.more = fmul double %codes.norm, 0x3FF0000100000000
  %lift.value = fptrunc double %lift.more to float
  %step.at = getelementptr double, ptr %step, i64 %q
  store double %step.value, ptr %step.at, align 8
  %drop.at = getelementptr double, ptr %drop, i64 %q
  store double %drop.value, ptr %drop.at, align 8
  %lift.at = getelementptr float, ptr %lift, i64 %q
  store float %lift.value, ptr %lift.at, align 4
  %q1 = add i64 %q, 1
  %more_queries = icmp ult i64 %q1, %n
  br i1 %more_queries, label %query, label %done
done:
  ret void
}
