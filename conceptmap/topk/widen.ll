; Stored rows to unit rows of float: unit = stored * inverse norm, both in float32.
;   stored   n_rows x dim KIND; dim a multiple of 8
;   unit     n_rows x width float; what lies beyond dim is left as it is
define void @widen_KIND(ptr noalias %stored, i64 %n_rows, i64 %dim, i64 %width, ptr noalias %inverse, ptr noalias %unit) {
entry:
  br label %row
row:
  %r = phi i64 [0, %entry], [%r1, %row_end]
  %from_at = mul i64 %r, %dim
  %from = getelementptr KIND, ptr %stored, i64 %from_at
  %to_at = mul i64 %r, %width
  %to = getelementptr float, ptr %unit, i64 %to_at
  %inverse.at = getelementptr float, ptr %inverse, i64 %r
  %inverse.value = load float, ptr %inverse.at, align 4
  %inverse.first = insertelement <8 x float> poison, float %inverse.value, i64 0
  %times = shufflevector <8 x float> %inverse.first, <8 x float> poison, <8 x i32> zeroinitializer
  br label %eight
eight:
  %i = phi i64 [0, %row], [%i1, %eight]
  %x.at = getelementptr KIND, ptr %from, i64 %i
  %x = load <8 x KIND>, ptr %x.at, align 2
  WIDEN
  %y = fmul <8 x float> %wide, %times
  %y.at = getelementptr float, ptr %to, i64 %i
  store <8 x float> %y, ptr %y.at, align 4
  %i1 = add i64 %i, 8
  %more = icmp ult i64 %i1, %dim
  br i1 %more, label %eight, label %row_end
row_end:
  %r1 = add i64 %r, 1
  %more_rows = icmp ult i64 %r1, %n_rows
  br i1 %more_rows, label %row, label %done
done:
  ret void
}
