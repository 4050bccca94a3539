// A sum of 32 bits to 8, combinationally: multiply, shift and round, add the zero point, saturate.
//
//   half_up        floor((a*m + 2^(s-1)) / 2^s)
//   half_even      nearest to a*m / 2^s, ties to the even integer
//   floor          floor(a*m / 2^s)
//   tflite_double  h = trunc((a*m + (a*m >= 0 ? 2^30 : 1 - 2^30)) / 2^31),
//                  then nearest to h / 2^(s-31), ties away from zero
//
// 2^30 <= m < 2^31 and 31 <= s <= 61, so that a*m and every sum above fit 64 bits.
`include "xv_bug_default.svh"

module xv_requantise #(
  parameter bit OF_RESULT = 1'b1               // two of the bugs concern results only
) (
  input  logic signed [31:0] a,
  input  logic        [30:0] multiplier,
  input  logic        [5:0]  shift,
  input  logic        [1:0]  rounding,     // 0 half_up, 1 half_even, 2 floor, 3 tflite_double
  input  logic signed [7:0]  zero_point,
  output logic signed [31:0] before_clip,  // with the zero point, saturated to 32 bits
  output logic signed [7:0]  result
);
  localparam logic [1:0] HALF_UP = 2'd0, HALF_EVEN = 2'd1, FLOOR = 2'd2, TFLITE_DOUBLE = 2'd3;
  localparam logic signed [63:0] ONE = 64'sd1;

  logic [1:0] rule;
  logic signed [63:0] product, quotient, twice_rest, nudged, high, away, rounded, shown;
  logic [5:0] rest;

  always_comb begin
    rule = rounding;
    if (`XV_BUG == xv_bugs::ROUND_TRUNCATES) rule = FLOOR;
    if (`XV_BUG == xv_bugs::ROUND_TWICE) rule = TFLITE_DOUBLE;

    product = 64'(a) * $signed({33'b0, multiplier});
    quotient = product >>> shift;
    twice_rest = ((product - (quotient <<< shift)) <<< 1) - (ONE <<< shift);

    rest = shift - 6'd31;
    nudged = product + (product >= 0 ? ONE <<< 30 : ONE - (ONE <<< 30));
    high = nudged >= 0 ? nudged >>> 31 : -((-nudged) >>> 31);
    away = ((high >= 0 ? high : -high) + ((ONE <<< rest) >>> 1)) >>> rest;

    case (rule)
      HALF_UP:   rounded = (product + (ONE <<< (shift - 6'd1))) >>> shift;
      HALF_EVEN: rounded = quotient + ((twice_rest > 0 || (twice_rest == 0 && quotient[0])) ? ONE : 64'sd0);
      FLOOR:     rounded = quotient;
      default:   rounded = high >= 0 ? away : -away;
    endcase

    if (OF_RESULT && `XV_BUG == xv_bugs::ZERO_AFTER_CLIP)
      rounded = rounded > 64'sd127 ? 64'sd127 : rounded < -64'sd128 ? -64'sd128 : rounded;
    shown = rounded + 64'(zero_point);
    before_clip = shown > 64'sd2147483647 ? 32'sh7fffffff
                : shown < -64'sd2147483648 ? 32'sh80000000 : shown[31:0];
    result = shown > 64'sd127 ? 8'sh7f : shown < -64'sd128 ? 8'sh80 : shown[7:0];
    if (OF_RESULT && `XV_BUG == xv_bugs::NO_SATURATION) result = shown[7:0];
  end
endmodule
