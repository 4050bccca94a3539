// Your module. This one is a multiply-accumulate unit for one output of a convolution:
//
//   accumulator = sum of (x - x_zero) * w over the taps, "first" and "last" marking their ends
//   result      = clip(floor(((accumulator + bias) * multiplier + 2^(shift-1)) / 2^shift) + y_zero)
//
// It has a bug to switch on: with TRUNCATE defined the rounding constant is missing.
module my_mac (
  input  logic               clk,
  input  logic               rst,
  input  logic               valid,
  input  logic               first,
  input  logic               last,
  input  logic signed [7:0]  x,
  input  logic signed [7:0]  w,
  input  logic signed [7:0]  x_zero,
  input  logic signed [7:0]  y_zero,
  input  logic signed [31:0] bias,
  input  logic        [30:0] multiplier,
  input  logic        [5:0]  shift,
  output logic               done,        // accumulator and result belong to the taps up to "last"
  output logic signed [31:0] accumulator,
  output logic signed [7:0]  result
);
  always_ff @(posedge clk) begin
    done <= !rst && valid && last;
    if (valid)
      accumulator <= (first ? 32'sd0 : accumulator) + (32'(x) - 32'(x_zero)) * 32'(w);
  end

  logic signed [31:0] biased;
  logic signed [63:0] half, scaled, before_clip;
  always_comb begin
    biased = accumulator + bias;
`ifdef TRUNCATE
    half = 64'sd0;
`else
    half = 64'sd1 <<< (shift - 6'd1);
`endif
    scaled = (64'(biased) * $signed({33'b0, multiplier}) + half) >>> shift;
    before_clip = scaled + 64'(y_zero);
    result = before_clip > 64'sd127 ? 8'sd127 : before_clip < -64'sd128 ? -8'sd128 : before_clip[7:0];
  end
endmodule
