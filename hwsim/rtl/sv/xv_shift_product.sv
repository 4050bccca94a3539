// Shift product: x times its shifted copies, one product per cycle, requantised to 8 bits.
//
//   T[d*C + c, p] = requantise((x[c,p] - z_x) * (x[c, p + offset d] - z_x))
//
// in the order d, c, y, x. Beyond the border a circular shift wraps around and a zero boundary reads
// real zero. Every product goes to the product memory and, with what led to it, to the outside;
// while the outside does not take one, nothing moves.
`include "xv_bug_default.svh"

module xv_shift_product #(
  parameter int DIRECTIONS = 8
) (
  input  logic               clk,
  input  logic               rst,
  input  logic               run,           // high until "done"
  output logic               done,          // the last product is written in this cycle
  input  logic        [15:0] channels,
  input  logic        [15:0] height,
  input  logic        [15:0] width,
  input  logic        [7:0]  directions,
  input  logic [DIRECTIONS-1:0][15:0] offset_y,   // signed, shift length included
  input  logic [DIRECTIONS-1:0][15:0] offset_x,
  input  logic               circular,
  input  logic signed [7:0]  x_zero,
  input  logic signed [7:0]  t_zero,
  input  logic        [30:0] multiplier,
  input  logic        [5:0]  shift,
  input  logic        [1:0]  rounding,
  output logic        [31:0] address,       // of x[c,p]
  output logic        [31:0] neighbour,     // of x[c,p'], if it is in the image
  input  logic        [7:0]  x,
  input  logic        [7:0]  x_neighbour,
  output logic               t_write,
  output logic        [31:0] t_address,
  output logic signed [7:0]  t_data,
  output logic               valid,         // to the outside
  input  logic               ready,
  output logic        [31:0] out_at,        // d*C*H*W + c*H*W + y*W + x
  output logic signed [7:0]  out_shifted,
  output logic signed [31:0] out_wide,
  output logic signed [31:0] out_before_clip,
  output logic signed [7:0]  out_product
);
  logic [15:0] d, c, row, col;
  logic [31:0] at;                          // of T
  logic        moves, last_col, last_row, last_c, last_d;

  assign moves = run && (!valid || ready);
  assign last_col = col + 16'd1 == width;
  assign last_row = last_col && row + 16'd1 == height;
  assign last_c = last_row && c + 16'd1 == channels;
  assign last_d = last_c && d + 16'd1 == 16'(directions);
  assign done = moves && last_d;

  always_ff @(posedge clk) begin
    if (rst || done) {d, c, row, col, at} <= 96'b0;
    else if (moves) begin
      at <= at + 32'd1;
      col <= last_col ? 16'd0 : col + 16'd1;
      if (last_col) row <= last_row ? 16'd0 : row + 16'd1;
      if (last_row) c <= last_c ? 16'd0 : c + 16'd1;
      if (last_c) d <= d + 16'd1;
    end
  end

  logic signed [31:0] y_at, x_at, dy, dx, rows, cols, factor, wide;
  logic in_image;
  logic signed [7:0] word;
  always_comb begin
    dy = 32'($signed(offset_y[d[2:0]]));
    dx = 32'($signed(offset_x[d[2:0]]));
    if (`XV_BUG == xv_bugs::SHIFT_REVERSED) {dy, dx} = {-dy, -dx};
    rows = $signed({16'b0, height});
    cols = $signed({16'b0, width});
    y_at = $signed({16'b0, row}) + dy;
    x_at = $signed({16'b0, col}) + dx;
    if (circular && `XV_BUG != xv_bugs::NO_WRAP) begin
      y_at = y_at < 0 ? y_at + rows : y_at >= rows ? y_at - rows : y_at;
      x_at = x_at < 0 ? x_at + cols : x_at >= cols ? x_at - cols : x_at;
    end
    in_image = y_at >= 0 && y_at < rows && x_at >= 0 && x_at < cols;
    address = (32'(c) * 32'(height) + 32'(row)) * 32'(width) + 32'(col);
    neighbour = in_image ? (32'(c) * 32'(height) + y_at) * 32'(width) + x_at : 32'd0;
  end

  always_comb begin
    word = in_image ? $signed(x_neighbour) : x_zero;
    factor = 32'(word) - 32'(x_zero);
    if (`XV_BUG == xv_bugs::PRODUCT_ZERO_MISSING) factor = 32'(word);
    wide = (32'($signed(x)) - 32'(x_zero)) * factor;
    if (`XV_BUG == xv_bugs::PRODUCT_16_BITS) wide = {{16{wide[15]}}, wide[15:0]};
  end

  logic signed [31:0] before_clip;
  logic signed [7:0] product;
  xv_requantise #(.OF_RESULT(1'b0)) requantise (
    .a(wide), .multiplier(multiplier), .shift(shift), .rounding(rounding), .zero_point(t_zero),
    .before_clip(before_clip), .result(product)
  );

  assign t_write = moves;
  assign t_address = at;
  assign t_data = product;

  always_ff @(posedge clk) begin
    if (rst) valid <= 1'b0;
    else if (moves) valid <= 1'b1;
    else if (ready) valid <= 1'b0;
    if (moves) begin
      out_at <= at;
      out_shifted <= 8'(factor + 32'(x_zero));
      out_wide <= wide;
      out_before_clip <= before_clip;
      out_product <= product;
    end
  end
endmodule
