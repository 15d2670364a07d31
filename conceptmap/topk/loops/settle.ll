; Float32 products of the pairs whose bit is set; those that reach their query's threshold are kept, and raise it.
;   found      ceil(n_rows / 16) x stride, a bit a row
;   stored     n_rows x dim KIND; dim a multiple of 8; inverse: 1 / norm of each row, float
;   queries    unit queries, n_queries x width float
;   threshold  of each query; level: what scan compares, made of it as (threshold - drop) / step
;   group      of each row; null where every row is its own
;   k          length of each query's list: best, its products, falling; owner, their groups
;   margin     how far below the k-th best product a row may still belong to the answer
;   first      added to the rows that are put out
;   room       pairs that may be multiplied, at most; more, and the answer is -1
;   hits       room for n_queries + 2 int: queries with a bit in a tile, found first, so that the one after next can be
;              fetched while a product is made: queries do not fit the nearer caches; those behind the last are any queries
;   out_*      room each; the answer says how many were kept
define i64 @settle_KIND(ptr noalias %found, i64 %n_rows, i64 %n_queries, i64 %stride, ptr noalias %stored, i64 %dim,
                        ptr noalias %inverse, ptr noalias %queries, i64 %width, ptr noalias %threshold,
                        ptr noalias %level, ptr noalias %drop, ptr noalias %step, ptr noalias %margin,
                        ptr noalias %group, i64 %k, ptr noalias %best, ptr noalias %owner, ptr noalias %hits, i64 %first, i64 %room,
                        ptr noalias %out_query, ptr noalias %out_row, ptr noalias %out_score) {
entry:
  %above = add i64 %n_rows, 15
  %tiles = lshr i64 %above, 4
  %ungrouped = icmp eq ptr %group, null
  %looked_at = select i1 %ungrouped, i64 0, i64 %k
  %last = sub i64 %k, 1
  %whole = and i64 %dim, -32
  %tile_values = mul i64 %dim, 16
  br label %tile
tile:
  %t = phi i64 [0, %entry], [%t1, %tile_end]
  %kept.tile = phi i64 [0, %entry], [%kept.end, %tile_end]
  %seen.tile = phi i64 [0, %entry], [%seen.end, %tile_end]
  %bits_at = mul i64 %t, %stride
  %tile_bits = getelementptr i16, ptr %found, i64 %bits_at
  %tile_row = mul i64 %t, 16
  br label %look
look:
  %l = phi i64 [0, %tile], [%l1, %look]
  %n_hits0 = phi i64 [0, %tile], [%n_hits, %look]
  %look.at = getelementptr i16, ptr %tile_bits, i64 %l
  %look.bits = load i16, ptr %look.at, align 2
  %hit.at = getelementptr i32, ptr %hits, i64 %n_hits0
  %hit = trunc i64 %l to i32
  store i32 %hit, ptr %hit.at, align 4
  %any = icmp ne i16 %look.bits, 0
  %one = zext i1 %any to i64
  %n_hits = add i64 %n_hits0, %one
  %l1 = add i64 %l, 1
  %more_looks = icmp ult i64 %l1, %n_queries
  br i1 %more_looks, label %look, label %looked
looked:
  %next_row = add i64 %tile_row, 16
  %next_at = mul i64 %next_row, %dim
  %next_values = getelementptr KIND, ptr %stored, i64 %next_at
  %any_hit = icmp ne i64 %n_hits, 0
  br i1 %any_hit, label %query, label %tile_end
query:
  %h = phi i64 [0, %looked], [%h1, %query_end]
  %kept.query = phi i64 [%kept.tile, %looked], [%kept.pair, %query_end]
  %seen.query = phi i64 [%seen.tile, %looked], [%seen.pair, %query_end]
  %ahead.query = phi i64 [0, %looked], [%ahead.pair, %query_end]
  %query_hit.at = getelementptr i32, ptr %hits, i64 %h
  %query_hit = load i32, ptr %query_hit.at, align 4
  %q = zext i32 %query_hit to i64
  %soon.at = getelementptr i32, ptr %query_hit.at, i64 1
  %soon = load i32, ptr %soon.at, align 4
  %soon64 = zext i32 %soon to i64
  %soon_at = mul i64 %soon64, %width
  %soon_values = getelementptr float, ptr %queries, i64 %soon_at
  %bits.at = getelementptr i16, ptr %tile_bits, i64 %q
  %bits = load i16, ptr %bits.at, align 2
  br label %bit
bit:
  %left = phi i16 [%bits, %query], [%fewer, %pair_end]
  %kept.bit = phi i64 [%kept.query, %query], [%kept.pair, %pair_end]
  %seen.bit = phi i64 [%seen.query, %query], [%seen.pair, %pair_end]
  %ahead.bit = phi i64 [%ahead.query, %query], [%ahead.pair, %pair_end]
  %lane = call i16 @llvm.cttz.i16(i16 %left, i1 true)
  %lane64 = zext i16 %lane to i64
  %row = add i64 %tile_row, %lane64
  %one_less = sub i16 %left, 1
  %fewer = and i16 %left, %one_less
  %inside = icmp ult i64 %row, %n_rows
  br i1 %inside, label %pair, label %pair_end
pair:
  %full = icmp uge i64 %seen.bit, %room
  br i1 %full, label %too_many, label %multiply
multiply:
  %seen.more = add i64 %seen.bit, 1
  %row_at = mul i64 %row, %dim
  %left_values = getelementptr KIND, ptr %stored, i64 %row_at
  %query_at = mul i64 %q, %width
  %right_values = getelementptr float, ptr %queries, i64 %query_at
  %ahead.more = add i64 %ahead.bit, %dim
  %ahead.done = icmp uge i64 %ahead.bit, %tile_values
  %ahead.now = select i1 %ahead.done, i64 %ahead.bit, i64 %ahead.more
  %ahead_values = getelementptr KIND, ptr %next_values, i64 %ahead.bit
  %any_whole = icmp ne i64 %whole, 0
  br i1 %any_whole, label %dot, label %rest
dot:
  %d = phi i64 [0, %multiply], [%d1, %dot]
  %sum0 = phi <32 x float> [zeroinitializer, %multiply], [%sum, %dot]
  %l.at = getelementptr KIND, ptr %left_values, i64 %d
  %r.at = getelementptr float, ptr %right_values, i64 %d
  %soon.line = getelementptr float, ptr %soon_values, i64 %d
  %soon.next = getelementptr i8, ptr %soon.line, i64 64
  call void @llvm.prefetch.p0(ptr %soon.line, i32 0, i32 3, i32 1)
  call void @llvm.prefetch.p0(ptr %soon.next, i32 0, i32 3, i32 1)
  %ahead.line = getelementptr KIND, ptr %ahead_values, i64 %d
  call void @llvm.prefetch.p0(ptr %ahead.line, i32 0, i32 3, i32 1)
  %x32 = load <32 x KIND>, ptr %l.at, align 2
  WIDEN32
  %r = load <32 x float>, ptr %r.at, align 4
  %sum = call <32 x float> @llvm.fmuladd.v32f32(<32 x float> %wide32, <32 x float> %r, <32 x float> %sum0)
  %d1 = add i64 %d, 32
  %more = icmp ult i64 %d1, %whole
  br i1 %more, label %dot, label %rest
rest:
  %sum32 = phi <32 x float> [zeroinitializer, %multiply], [%sum, %dot]
  %dot32 = call reassoc float @llvm.vector.reduce.fadd.v32f32(float 0.0, <32 x float> %sum32)
  %any_rest = icmp ult i64 %whole, %dim
  br i1 %any_rest, label %eight, label %multiplied
eight:
  %e = phi i64 [%whole, %rest], [%e1, %eight]
  %sum8.0 = phi <8 x float> [zeroinitializer, %rest], [%sum8, %eight]
  %l8.at = getelementptr KIND, ptr %left_values, i64 %e
  %r8.at = getelementptr float, ptr %right_values, i64 %e
  %x8 = load <8 x KIND>, ptr %l8.at, align 2
  WIDEN8
  %r8 = load <8 x float>, ptr %r8.at, align 4
  %sum8 = call <8 x float> @llvm.fmuladd.v8f32(<8 x float> %wide8, <8 x float> %r8, <8 x float> %sum8.0)
  %e1 = add i64 %e, 8
  %more_eights = icmp ult i64 %e1, %dim
  br i1 %more_eights, label %eight, label %eights_end
eights_end:
  %dot8 = call reassoc float @llvm.vector.reduce.fadd.v8f32(float 0.0, <8 x float> %sum8)
  %dot40 = fadd float %dot32, %dot8
  br label %multiplied
multiplied:
  %dot_of = phi float [%dot32, %rest], [%dot40, %eights_end]
  %inverse.at = getelementptr float, ptr %inverse, i64 %row
  %inverse.value = load float, ptr %inverse.at, align 4
  %score = fmul float %dot_of, %inverse.value
  %limit.at = getelementptr float, ptr %threshold, i64 %q
  %limit = load float, ptr %limit.at, align 4
  %reaches = fcmp oge float %score, %limit
  br i1 %reaches, label %keep, label %pair_end
keep:
  %query.at = getelementptr i64, ptr %out_query, i64 %kept.bit
  %row.at = getelementptr i64, ptr %out_row, i64 %kept.bit
  %score.at = getelementptr float, ptr %out_score, i64 %kept.bit
  %row.out = add i64 %row, %first
  store i64 %q, ptr %query.at, align 8
  store i64 %row.out, ptr %row.at, align 8
  store float %score, ptr %score.at, align 4
  %kept.more = add i64 %kept.bit, 1
  %list_at = mul i64 %q, %k
  %scores = getelementptr float, ptr %best, i64 %list_at
  %owners = getelementptr i64, ptr %owner, i64 %list_at
  %listed = icmp ne i64 %k, 0
  br i1 %listed, label %whose, label %pair_end
whose:
  br i1 %ungrouped, label %place, label %grouped
grouped:
  %group.at = getelementptr i64, ptr %group, i64 %row
  %group.value = load i64, ptr %group.at, align 8
  br label %same
same:
  %i = phi i64 [0, %grouped], [%i1, %other]
  %owner.at = getelementptr i64, ptr %owners, i64 %i
  %owner.value = load i64, ptr %owner.at, align 8
  %is_same = icmp eq i64 %owner.value, %group.value
  br i1 %is_same, label %place, label %other
other:
  %i1 = add i64 %i, 1
  %more_owners = icmp ult i64 %i1, %looked_at
  br i1 %more_owners, label %same, label %place
place:
  %mine = phi i64 [-1, %whose], [%group.value, %same], [%group.value, %other]
  %slot = phi i64 [%last, %whose], [%i, %same], [%last, %other]
  %old.at = getelementptr float, ptr %scores, i64 %slot
  %old = load float, ptr %old.at, align 4
  %better = fcmp ogt float %score, %old
  br i1 %better, label %shift, label %pair_end
shift:
  %s = phi i64 [%slot, %place], [%s1, %move]
  %first_slot = icmp eq i64 %s, 0
  br i1 %first_slot, label %put, label %compare
compare:
  %s1 = sub i64 %s, 1
  %above.at = getelementptr float, ptr %scores, i64 %s1
  %above.score = load float, ptr %above.at, align 4
  %lower = fcmp olt float %above.score, %score
  br i1 %lower, label %move, label %put
move:
  %to.at = getelementptr float, ptr %scores, i64 %s
  store float %above.score, ptr %to.at, align 4
  %from_owner.at = getelementptr i64, ptr %owners, i64 %s1
  %to_owner.at = getelementptr i64, ptr %owners, i64 %s
  %moved = load i64, ptr %from_owner.at, align 8
  store i64 %moved, ptr %to_owner.at, align 8
  br label %shift
put:
  %put.at = getelementptr float, ptr %scores, i64 %s
  store float %score, ptr %put.at, align 4
  %put_owner.at = getelementptr i64, ptr %owners, i64 %s
  store i64 %mine, ptr %put_owner.at, align 8
  %kth.at = getelementptr float, ptr %scores, i64 %last
  %kth = load float, ptr %kth.at, align 4
  %margin.at = getelementptr float, ptr %margin, i64 %q
  %margin.value = load float, ptr %margin.at, align 4
  %raised = fsub float %kth, %margin.value
  %rises = fcmp ogt float %raised, %limit
  br i1 %rises, label %raise, label %pair_end
raise:
  store float %raised, ptr %limit.at, align 4
  %drop.at = getelementptr double, ptr %drop, i64 %q
  %step.at = getelementptr double, ptr %step, i64 %q
  %drop.value = load double, ptr %drop.at, align 8
  %step.value = load double, ptr %step.at, align 8
  %raised.exact = fpext float %raised to double
  %lowered = fsub double %raised.exact, %drop.value
  %in_steps = fdiv double %lowered, %step.value
  %size_of = call double @llvm.fabs.f64(double %in_steps)
  %slack = fmul double %size_of, 0x3E90000000000000 ; 2**-22, more than rounding to float takes
  %below = fsub double %in_steps, %slack
  %level.value = fptrunc double %below to float
  %level.at = getelementptr float, ptr %level, i64 %q
  store float %level.value, ptr %level.at, align 4
  br label %pair_end
pair_end:
  %kept.pair = phi i64 [%kept.bit, %bit], [%kept.bit, %multiplied], [%kept.more, %keep], [%kept.more, %place], [%kept.more, %put], [%kept.more, %raise]
  %seen.pair = phi i64 [%seen.bit, %bit], [%seen.more, %multiplied], [%seen.more, %keep], [%seen.more, %place], [%seen.more, %put], [%seen.more, %raise]
  %ahead.pair = phi i64 [%ahead.bit, %bit], [%ahead.now, %multiplied], [%ahead.now, %keep], [%ahead.now, %place], [%ahead.now, %put], [%ahead.now, %raise]
  %again = icmp ne i16 %fewer, 0
  br i1 %again, label %bit, label %query_end
query_end:
    %h1 = add i64 %h, 1
  %more_hits = icmp ult i64 %h1, %n_hits
  br i1 %more_hits, label %query, label %tile_end
tile_end:
  %kept.end = phi i64 [%kept.tile, %looked], [%kept.pair, %query_end]
  %seen.end = phi i64 [%seen.tile, %looked], [%seen.pair, %query_end]
  %t1 = add i64 %t, 1
  %more_tiles = icmp ult i64 %t1, %tiles
  br i1 %more_tiles, label %tile, label %done
too_many:
  ret i64 -1
done:
  ret i64 %kept.end
}
