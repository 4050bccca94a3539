// Pixel-shift self-attention with one multiply-accumulate a cycle, and its testbench.
//
// The neighbour's address wraps around the sides of the image. With NO_WRAP it is only added to, so
// that what leaves a row enters the next one: right inside the image, wrong at its border.

module neighbour (
    input  int i, j, down, right, height, width,
    output int address
);
  int row, col;
  always_comb begin
    row = i + down;
    col = j + right;
`ifndef NO_WRAP
    if (row < 0) row += height;
    if (row >= height) row -= height;
    if (col < 0) col += width;
    if (col >= width) col -= width;
`endif
    address = (row * width + col + height * width) % (height * width);
  end
endmodule

module pssa (
    input  logic clock, start,
    input  int   channels, height, width, outputs, side,
    output logic valid, done,
    output int   y
);
  int x[4096], w[4096];  // filled by the testbench
  int o, i, j, d, c, u, v, sum, product, p, q, address;
  logic covered, last, running;

  assign p = i + u - side / 2;
  assign q = j + v - side / 2;
  assign covered = p >= 0 && p < height && q >= 0 && q < width;  // zeros around the image
  neighbour at (
      .i(p), .j(q), .down(d == 2 ? -1 : d == 3 ? 1 : 0), .right(d == 0 ? -1 : d == 1 ? 1 : 0),
      .height, .width, .address
  );
  assign product = !covered ? 0 : x[c * height * width + p * width + q]
      * x[c * height * width + address] * w[(((o * 4 + d) * channels + c) * side + u) * side + v];
  assign last = d == 3 && c == channels - 1 && u == side - 1 && v == side - 1;

  always_ff @(posedge clock) begin
    valid <= running && last;
    done  <= 0;
    if (start) begin
      {o, i, j, d, c, u, v, sum} <= '0;
      running <= 1;
    end else if (running) begin
      sum <= last ? 0 : sum + product;
      y   <= sum + product;
      v <= v == side - 1 ? 0 : v + 1;
      if (v == side - 1) u <= u == side - 1 ? 0 : u + 1;
      if (v == side - 1 && u == side - 1) c <= c == channels - 1 ? 0 : c + 1;
      if (v == side - 1 && u == side - 1 && c == channels - 1) d <= d == 3 ? 0 : d + 1;
      if (last) begin
        j <= j == width - 1 ? 0 : j + 1;
        if (j == width - 1) i <= i == height - 1 ? 0 : i + 1;
        if (j == width - 1 && i == height - 1) begin
          o <= o + 1;
          if (o == outputs - 1) begin
            running <= 0;
            done <= 1;
          end
        end
      end
    end
  end
endmodule

module bench;
  logic clock = 0, start = 0, valid, done;
  int channels, height, width, outputs, side, y, read;
  pssa dut (.*);
  always #1 clock = !clock;

  initial begin  // sizes, image and kernels from standard input, results to standard output
    read = $fscanf(32'h8000_0000, "%d %d %d %d %d", channels, height, width, outputs, side);
    for (int k = 0; k < channels * height * width; k++)
      read = $fscanf(32'h8000_0000, "%d", dut.x[k]);
    for (int k = 0; k < outputs * 4 * channels * side * side; k++)
      read = $fscanf(32'h8000_0000, "%d", dut.w[k]);
    @(negedge clock) start = 1;
    @(negedge clock) start = 0;
  end
  always @(negedge clock) begin
    if (valid) $display("%0d", y);
    if (done) $finish;
  end
endmodule
