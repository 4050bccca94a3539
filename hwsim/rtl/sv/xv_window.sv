// Address generator of im2col, for one row of the array: which word a tap of its window reads.
//
//   y = base_y + u*dilation_y,  x = base_x + v*dilation_x,  base = output * stride - padding
//
// Outside the image nothing is read: the operand is real zero. Input channels are those of x, then
// those of the shift product: [x; T]; either group may be absent.
`include "xv_bug_default.svh"

module xv_window (
  input  logic signed [15:0] base_y,
  input  logic signed [15:0] base_x,
  input  logic        [15:0] c,             // of the concatenation
  input  logic        [15:0] u,
  input  logic        [15:0] v,
  input  logic        [15:0] height,
  input  logic        [15:0] width,
  input  logic        [15:0] x_channels,    // of x in the concatenation; 0 if absent
  input  logic        [15:0] t_channels,
  input  logic        [7:0]  dilation_y,
  input  logic        [7:0]  dilation_x,
  output logic               in_image,
  output logic               of_product,    // read from the product memory
  output logic        [31:0] address
);
  logic signed [31:0] y, x, rows, cols;
  logic [15:0] row_tap, col_tap, channel;

  always_comb begin
    {row_tap, col_tap} = {u, v};
    if (`XV_BUG == xv_bugs::TAPS_TRANSPOSED) {row_tap, col_tap} = {v, u};
    y = 32'(base_y) + 32'(row_tap * 16'(dilation_y));
    x = 32'(base_x) + 32'(col_tap * 16'(dilation_x));
    rows = $signed({16'b0, height});
    cols = $signed({16'b0, width});

    in_image = y >= 0 && y < rows && x >= 0 && x < cols;
    if (`XV_BUG == xv_bugs::ROW_RUNS_OVER && y >= 0 && y + 1 < rows && x >= cols) in_image = 1'b1;

    of_product = c >= x_channels;
    channel = of_product ? c - x_channels : c;
    if (`XV_BUG == xv_bugs::CONCAT_REVERSED && x_channels != 16'd0) begin
      of_product = c < t_channels;
      channel = of_product ? c : c - t_channels;
    end
    address = in_image ? (32'(channel) * 32'(height) + y) * 32'(width) + x : 32'd0;
  end
endmodule
