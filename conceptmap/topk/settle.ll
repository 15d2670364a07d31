; Float32 products of the pairs whose bit is set; those that reach their query's threshold are kept.
;   found      ceil(n_rows / 16) x stride, a bit a row
;   unit       n_rows x width, queries: n_queries x width, both float; width a multiple of 32
;   room       pairs that may be multiplied, at most; more, and the answer is -1
;   out_*      room each; the answer says how many were kept
declare i16 @llvm.cttz.i16(i16, i1)

define i64 @settle(ptr noalias %found, i64 %n_rows, i64 %n_queries, i64 %stride, ptr noalias %unit,
                   ptr noalias %queries, i64 %width, ptr noalias %threshold, i64 %room,
                   ptr noalias %out_query, ptr noalias %out_row, ptr noalias %out_score) {
entry:
  %above = add i64 %n_rows, 15
  %tiles = lshr i64 %above, 4
  br label %tile
tile:
  %t = phi i64 [0, %entry], [%t1, %tile_end]
  %kept.tile = phi i64 [0, %entry], [%kept.after, %tile_end]
  %seen.tile = phi i64 [0, %entry], [%seen.after, %tile_end]
  %bits_at = mul i64 %t, %stride
  %tile_bits = getelementptr i16, ptr %found, i64 %bits_at
  %first = mul i64 %t, 16
  br label %query
query:
  %q = phi i64 [0, %tile], [%q1, %query_end]
  %kept.query = phi i64 [%kept.tile, %tile], [%kept.after, %query_end]
  %seen.query = phi i64 [%seen.tile, %tile], [%seen.after, %query_end]
  %bits.at = getelementptr i16, ptr %tile_bits, i64 %q
  %bits = load i16, ptr %bits.at, align 2
  %any = icmp ne i16 %bits, 0
  br i1 %any, label %bit, label %query_end
bit:
  %left = phi i16 [%bits, %query], [%fewer, %pair_end]
  %kept.bit = phi i64 [%kept.query, %query], [%kept.pair, %pair_end]
  %seen.bit = phi i64 [%seen.query, %query], [%seen.pair, %pair_end]
  %lane = call i16 @llvm.cttz.i16(i16 %left, i1 true)
  %lane64 = zext i16 %lane to i64
  %row = add i64 %first, %lane64
  %one_less = sub i16 %left, 1
  %fewer = and i16 %left, %one_less
  %inside = icmp ult i64 %row, %n_rows
  br i1 %inside, label %pair, label %pair_end
pair:
  %full = icmp uge i64 %seen.bit, %room
  br i1 %full, label %too_many, label %multiply
multiply:
  %row_at = mul i64 %row, %width
  %left_values = getelementptr float, ptr %unit, i64 %row_at
  %query_at = mul i64 %q, %width
  %right_values = getelementptr float, ptr %queries, i64 %query_at
  br label %dot
dot:
  %d = phi i64 [0, %multiply], [%d1, %dot]
  %sum0 = phi <32 x float> [zeroinitializer, %multiply], [%sum, %dot]
  %l.at = getelementptr float, ptr %left_values, i64 %d
  %r.at = getelementptr float, ptr %right_values, i64 %d
  %l = load <32 x float>, ptr %l.at, align 4
  %r = load <32 x float>, ptr %r.at, align 4
  %sum = call <32 x float> @llvm.fmuladd.v32f32(<32 x float> %l, <32 x float> %r, <32 x float> %sum0)
  %d1 = add i64 %d, 32
  %more = icmp ult i64 %d1, %width
  br i1 %more, label %dot, label %multiplied
multiplied:
  %score = call reassoc float @llvm.vector.reduce.fadd.v32f32(float 0.0, <32 x float> %sum)
  %limit.at = getelementptr float, ptr %threshold, i64 %q
  %limit = load float, ptr %limit.at, align 4
  %query.at = getelementptr i64, ptr %out_query, i64 %kept.bit
  %row.at = getelementptr i64, ptr %out_row, i64 %kept.bit
  %score.at = getelementptr float, ptr %out_score, i64 %kept.bit
  store i64 %q, ptr %query.at, align 8
  store i64 %row, ptr %row.at, align 8
  store float %score, ptr %score.at, align 4
  %reaches = fcmp oge float %score, %limit
  %one = zext i1 %reaches to i64
  %kept.more = add i64 %kept.bit, %one
  %seen.more = add i64 %seen.bit, 1
  br label %pair_end
pair_end:
  %kept.pair = phi i64 [%kept.bit, %bit], [%kept.more, %multiplied]
  %seen.pair = phi i64 [%seen.bit, %bit], [%seen.more, %multiplied]
  %again = icmp ne i16 %fewer, 0
  br i1 %again, label %bit, label %query_end
query_end:
  %kept.after = phi i64 [%kept.query, %query], [%kept.pair, %pair_end]
  %seen.after = phi i64 [%seen.query, %query], [%seen.pair, %pair_end]
  %q1 = add i64 %q, 1
  %more_queries = icmp ult i64 %q1, %n_queries
  br i1 %more_queries, label %query, label %tile_end
tile_end:
  %t1 = add i64 %t, 1
  %more_tiles = icmp ult i64 %t1, %tiles
  br i1 %more_tiles, label %tile, label %done
too_many:
  ret i64 -1
done:
  ret i64 %kept.after
}
