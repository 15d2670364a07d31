; Products of single pairs in float64: those of float32 values are exact there, and are summed in eight lanes.
;   queries  any x dim float; stored: any x dim KIND; dim a multiple of 8
;   query, row  n_pairs places each; out: n_pairs double
define void @dots_KIND(ptr noalias %queries, ptr noalias %stored, i64 %dim, i64 %n_pairs, ptr noalias %query, ptr noalias %row, ptr noalias %out) {
entry:
  br label %pair
pair:
  %p = phi i64 [0, %entry], [%p1, %pair_end]
  %query.at = getelementptr i64, ptr %query, i64 %p
  %row.at = getelementptr i64, ptr %row, i64 %p
  %q = load i64, ptr %query.at, align 8
  %r = load i64, ptr %row.at, align 8
  %left_at = mul i64 %q, %dim
  %right_at = mul i64 %r, %dim
  %left = getelementptr float, ptr %queries, i64 %left_at
  %right = getelementptr KIND, ptr %stored, i64 %right_at
  br label %eight
eight:
  %i = phi i64 [0, %pair], [%i1, %eight]
  %sum0 = phi <8 x double> [zeroinitializer, %pair], [%sum, %eight]
  %l.at = getelementptr float, ptr %left, i64 %i
  %x.at = getelementptr KIND, ptr %right, i64 %i
  %l = load <8 x float>, ptr %l.at, align 4
  %x8 = load <8 x KIND>, ptr %x.at, align 2
  WIDEN8
  %l.exact = fpext <8 x float> %l to <8 x double>
  %x.exact = fpext <8 x float> %wide8 to <8 x double>
  %sum = call <8 x double> @llvm.fmuladd.v8f64(<8 x double> %l.exact, <8 x double> %x.exact, <8 x double> %sum0)
  %i1 = add i64 %i, 8
  %more = icmp ult i64 %i1, %dim
  br i1 %more, label %eight, label %pair_end
pair_end:
  %dot = call reassoc double @llvm.vector.reduce.fadd.v8f64(double 0.0, <8 x double> %sum)
  %out.at = getelementptr double, ptr %out, i64 %p
  store double %dot, ptr %out.at, align 8
  %p1 = add i64 %p, 1
  %more_pairs = icmp ult i64 %p1, %n_pairs
  br i1 %more_pairs, label %pair, label %done
done:
  ret void
}
