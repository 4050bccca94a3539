// A small neural processor: convolution, shift product, PSSA and fused X-volution in int8.
//
//   image words -> [bank 0 | bank 1] -> shift product -> product memory
//                         \________ im2col ________/
//                                     |            weights
//                        ROWS pixels -> MAC array <- COLS output channels
//                                     |
//                       bias, requantise, saturate -> result words, COLS per cycle
//
// A case is configured by register writes and loads while the device is idle. Then images stream in
// and results stream out, both with valid and ready; image n + 1 is loaded while n is computed. A
// result word carries its address, so memory beyond the results must survive. For every pixel tile
// (ROWS pixels), every tile of COLS output channels; all taps of a window are added in one fold.
`include "xv_bug_default.svh"

module xv_npu #(
  parameter int ROWS = 8,
  parameter int COLS = 4,
  parameter int IMAGE_WORDS = 4096,
  parameter int PRODUCT_WORDS = 8192,
  parameter int WEIGHT_WORDS = 16384,
  parameter int CHANNELS = 64               // output channels
) (
  input  logic clk,
  input  logic rst,

  input  logic        set_valid,            // registers; see the list below
  input  logic [6:0]  set_register,
  input  logic [31:0] set_value,

  input  logic        load_valid,
  output logic        load_ready,
  input  logic [2:0]  load_kind,            // 0 image, 1 weight, 2 bias, 3 multiplier, 4 shift
  input  logic [31:0] load_data,

  output logic        product_valid,
  input  logic        product_ready,
  output logic [31:0] product_address,
  output logic [7:0]  product_shifted,
  output logic [31:0] product_wide,
  output logic [31:0] product_before_clip,
  output logic [7:0]  product_result,

  output logic        result_valid,
  input  logic        result_ready,
  output logic [COLS-1:0]       result_mask,
  output logic [COLS*32-1:0]    result_address,       // lane j in bits 32*j + 31 .. 32*j
  output logic [COLS*32-1:0]    result_accumulator,
  output logic [COLS*32-1:0]    result_biased,
  output logic [COLS*32-1:0]    result_before_clip,
  output logic [COLS*8-1:0]     result_output,

  output logic        idle,
  output logic [31:0] images_done,
  output logic [31:0] cycles_array,         // operands streaming, or sums draining
  output logic [31:0] cycles_stalled,       // waiting for the outside to take a word
  output logic [31:0] cycles_product,
  output logic [31:0] cycles_control        // placing pixels, waiting for an image, handing over
);
  // Registers. Writing BEGIN forgets the case before and starts the counters.
  localparam logic [6:0] BEGIN = 0, IN_CHANNELS = 1, HEIGHT = 2, WIDTH = 3, OUT_CHANNELS = 4,
    KERNEL_Y = 5, KERNEL_X = 6, STRIDE_Y = 7, STRIDE_X = 8, PAD_Y = 9, PAD_X = 10, DILATION_Y = 11,
    DILATION_X = 12, OUT_HEIGHT = 13, OUT_WIDTH = 14, USES = 15, X_ZERO = 16, T_ZERO = 17,
    Y_ZERO = 18, ROUNDING = 19, DIRECTIONS = 20, CIRCULAR = 21, T_MULTIPLIER = 22, T_SHIFT = 23,
    RESULT_BASE = 24, PRODUCT_BASE = 25, IMAGES = 26, OFFSETS = 32;   // OFFSETS + d: y in 31..16, x in 15..0
  localparam int MAX_DIRECTIONS = 8;

  logic [15:0] in_channels, height, width, out_channels, out_height, out_width;
  logic [7:0] kernel_y, kernel_x, stride_y, stride_x, pad_y, pad_x, dilation_y, dilation_x;
  logic uses_x, uses_product, convolves, circular;
  logic signed [7:0] x_zero, t_zero, y_zero;
  logic [1:0] rounding;
  logic [7:0] directions;
  logic [30:0] t_multiplier;
  logic [5:0] t_shift;
  logic [31:0] result_base, product_base, images;
  logic [MAX_DIRECTIONS-1:0][15:0] offset_y, offset_x;
  logic begins;

  assign begins = set_valid && set_register == BEGIN;
  always_ff @(posedge clk) if (set_valid) begin
    case (set_register)
      IN_CHANNELS:  in_channels <= set_value[15:0];
      HEIGHT:       height <= set_value[15:0];
      WIDTH:        width <= set_value[15:0];
      OUT_CHANNELS: out_channels <= set_value[15:0];
      KERNEL_Y:     kernel_y <= set_value[7:0];
      KERNEL_X:     kernel_x <= set_value[7:0];
      STRIDE_Y:     stride_y <= set_value[7:0];
      STRIDE_X:     stride_x <= set_value[7:0];
      PAD_Y:        pad_y <= set_value[7:0];
      PAD_X:        pad_x <= set_value[7:0];
      DILATION_Y:   dilation_y <= set_value[7:0];
      DILATION_X:   dilation_x <= set_value[7:0];
      OUT_HEIGHT:   out_height <= set_value[15:0];
      OUT_WIDTH:    out_width <= set_value[15:0];
      USES:         {convolves, uses_product, uses_x} <= set_value[2:0];
      X_ZERO:       x_zero <= set_value[7:0];
      T_ZERO:       t_zero <= set_value[7:0];
      Y_ZERO:       y_zero <= set_value[7:0];
      ROUNDING:     rounding <= set_value[1:0];
      DIRECTIONS:   directions <= set_value[7:0];
      CIRCULAR:     circular <= set_value[0];
      T_MULTIPLIER: t_multiplier <= set_value[30:0];
      T_SHIFT:      t_shift <= set_value[5:0];
      RESULT_BASE:  result_base <= set_value;
      PRODUCT_BASE: product_base <= set_value;
      IMAGES:       images <= set_value;
      default: if (set_register >= OFFSETS && set_register < OFFSETS + 7'(MAX_DIRECTIONS))
        {offset_y[set_register[2:0]], offset_x[set_register[2:0]]} <= set_value;
    endcase
  end

  // Sizes that follow.
  logic [15:0] x_channels, t_channels, channels_in_all;
  logic [31:0] image_words, pixels, taps;
  assign x_channels = uses_x ? in_channels : 16'd0;
  assign t_channels = uses_product ? in_channels * 16'(directions) : 16'd0;
  assign channels_in_all = x_channels + t_channels;
  assign image_words = 32'(in_channels) * 32'(height) * 32'(width);
  assign pixels = 32'(out_height) * 32'(out_width);
  assign taps = 32'(channels_in_all) * 32'(kernel_y) * 32'(kernel_x);

  // Memories.
  localparam int PORTS = ROWS + 2;          // one per array row, two for the shift product
  logic fill_ready, full, give_back;
  logic [PORTS-1:0][31:0] image_address;
  logic [PORTS-1:0][7:0]  image_data;
  xv_pingpong #(.DEPTH(IMAGE_WORDS), .PORTS(PORTS)) image (
    .clk(clk), .rst(rst), .restart(begins), .words(image_words),
    .fill_valid(load_valid && load_kind == 3'd0), .fill_ready(fill_ready), .fill_data(load_data[7:0]),
    .full(full), .give_back(give_back), .address(image_address), .data(image_data)
  );

  logic [7:0]  weight [0:WEIGHT_WORDS-1];
  logic [31:0] bias [0:CHANNELS-1];
  logic [30:0] multiplier [0:CHANNELS-1];
  logic [5:0]  shift [0:CHANNELS-1];
  logic [7:0]  product_memory [0:PRODUCT_WORDS-1];
  logic [31:0] load_at [0:4];

  assign load_ready = load_kind == 3'd0 ? fill_ready : 1'b1;
  always_ff @(posedge clk) begin
    if (rst || begins) for (int k = 0; k < 5; k++) load_at[k] <= 32'd0;
    else if (load_valid && load_kind != 3'd0) begin
      load_at[load_kind] <= load_at[load_kind] + 32'd1;
      case (load_kind)
        3'd1: weight[load_at[1]] <= load_data[7:0];
        3'd2: bias[load_at[2]] <= load_data;
        3'd3: multiplier[load_at[3]] <= load_data[30:0];
        default: shift[load_at[4]] <= load_data[5:0];
      endcase
    end
  end

  // What the device is doing.
  localparam logic [2:0] WAIT = 0, PRODUCT = 1, PLACE = 2, STREAM = 3, DRAIN = 4, HAND_OVER = 5;
  logic [2:0] state;                        // no enum: Icarus 11 chooses between two of them wrongly
  logic [31:0] pixel0;                      // first pixel and output channel of this tile
  logic [15:0] channel0;
  logic [15:0] tile_rows, tile_cols;        // what the tile occupies of the array
  logic [15:0] at;                          // pixel being placed, or row being drained
  logic [15:0] out_y, out_x;                // of the next pixel to place
  logic product_done, fold_done, drains, clears, last_channels, last_pixels;

  logic [31:0] pixels_left, channels_left;
  assign pixels_left = pixels - pixel0;
  assign channels_left = 32'(out_channels) - 32'(channel0);
  assign tile_rows = pixels_left < 32'(ROWS) && `XV_BUG != xv_bugs::RAGGED_PIXELS_WRITTEN
    ? pixels_left[15:0] : 16'(ROWS);
  assign tile_cols = channels_left < 32'(COLS) ? channels_left[15:0] : 16'(COLS);
  assign last_pixels = pixels_left <= 32'(ROWS);
  assign last_channels = channels_left <= 32'(COLS);
  assign drains = state == DRAIN &&
    (!result_valid || result_ready || `XV_BUG == xv_bugs::WORD_LOST_ON_STALL);
  assign clears = drains && !(`XV_BUG == xv_bugs::SUM_NOT_CLEARED
    && last_channels && last_pixels && images_done + 32'd1 == images);
  assign give_back = state == HAND_OVER;
  assign idle = state == WAIT && !full && !product_valid && !result_valid;

  always_ff @(posedge clk) begin
    if (rst || begins) begin
      state <= WAIT;
      {pixel0, channel0, at, out_y, out_x, images_done} <= '0;
    end else case (state)
      WAIT: if (full) begin
        {pixel0, channel0, at, out_y, out_x} <= '0;
        state <= uses_product ? PRODUCT : PLACE;
      end
      PRODUCT: if (product_done) state <= convolves ? PLACE : HAND_OVER;
      PLACE: begin
        out_x <= out_x + 16'd1 == out_width ? 16'd0 : out_x + 16'd1;
        if (out_x + 16'd1 == out_width) out_y <= out_y + 16'd1;
        at <= at + 16'd1 == tile_rows ? 16'd0 : at + 16'd1;
        if (at + 16'd1 == tile_rows) state <= STREAM;
      end
      STREAM: if (fold_done) state <= DRAIN;
      DRAIN: if (drains) begin
        at <= at + 16'd1 == tile_rows ? 16'd0 : at + 16'd1;
        if (at + 16'd1 == tile_rows) begin
          channel0 <= last_channels ? 16'd0 : channel0 + 16'(COLS);
          if (last_channels) pixel0 <= pixel0 + 32'(ROWS);
          state <= !last_channels ? STREAM : !last_pixels ? PLACE : HAND_OVER;
        end
      end
      default: begin
        images_done <= images_done + 32'd1;
        state <= WAIT;
      end
    endcase
  end

  always_ff @(posedge clk) begin
    if (rst || begins) {cycles_array, cycles_stalled, cycles_product, cycles_control} <= 128'b0;
    else begin
      if (state == STREAM || drains) cycles_array <= cycles_array + 32'd1;
      if (state == PRODUCT && (!product_valid || product_ready))
        cycles_product <= cycles_product + 32'd1;
      if ((state == DRAIN && !drains) || (state == PRODUCT && product_valid && !product_ready))
        cycles_stalled <= cycles_stalled + 32'd1;
      if (state == WAIT || state == PLACE || state == HAND_OVER)
        cycles_control <= cycles_control + 32'd1;
    end
  end

  // Shift product.
  logic t_write;
  logic [31:0] t_address, product_at;
  logic [7:0] t_data;
  xv_shift_product #(.DIRECTIONS(MAX_DIRECTIONS)) shift_product (
    .clk(clk), .rst(rst || begins), .run(state == PRODUCT), .done(product_done),
    .channels(in_channels), .height(height), .width(width), .directions(directions),
    .offset_y(offset_y), .offset_x(offset_x), .circular(circular), .x_zero(x_zero), .t_zero(t_zero),
    .multiplier(t_multiplier), .shift(t_shift), .rounding(rounding),
    .address(image_address[ROWS]), .neighbour(image_address[ROWS+1]),
    .x(image_data[ROWS]), .x_neighbour(image_data[ROWS+1]),
    .t_write(t_write), .t_address(t_address), .t_data(t_data),
    .valid(product_valid), .ready(product_ready), .out_at(product_at),
    .out_shifted(product_shifted), .out_wide(product_wide),
    .out_before_clip(product_before_clip), .out_product(product_result)
  );
  always_ff @(posedge clk) if (t_write) product_memory[t_address] <= t_data;

  // The image a word belongs to: products and results of an image leave before the next one's.
  logic [31:0] product_image, result_image;
  always_ff @(posedge clk) begin
    if (t_write) product_image <= images_done;
  end
  assign product_address = product_base + product_image * image_words * 32'(directions) + product_at;

  // Feeding the array: the loops over channel, kernel row and kernel column, row i fed i cycles late.
  logic [31:0] fed;
  logic [15:0] c, u, v;
  logic feeds, feeds_last;
  assign feeds = state == STREAM && fed < taps;
  assign feeds_last = fed + 32'd1 == taps;
  always_ff @(posedge clk) begin
    if (state != STREAM || fold_done) {fed, c, u, v} <= '0;
    else if (feeds) begin
      fed <= fed + 32'd1;
      v <= v + 16'd1 == 16'(kernel_x) ? 16'd0 : v + 16'd1;
      if (v + 16'd1 == 16'(kernel_x)) begin
        u <= u + 16'd1 == 16'(kernel_y) ? 16'd0 : u + 16'd1;
        if (u + 16'd1 == 16'(kernel_y)) c <= c + 16'd1;
      end
    end
  end

  logic [ROWS-1:0] west_valid, west_last;
  logic [ROWS-1:0][8:0] west;
  logic [COLS-1:0] north_valid;
  logic [COLS-1:0][7:0] north;
  logic [COLS-1:0][31:0] sums;
  logic [ROWS-1:0][COLS-1:0] complete;

  genvar i, j;
  generate
    for (i = 0; i < ROWS; i++) begin : g_row
      logic signed [15:0] base_y, base_x;
      logic valid, last, next_valid, next_last, in_image, of_product;
      logic [15:0] row_c, row_u, row_v, next_c, next_u, next_v;
      logic [31:0] address;
      logic signed [8:0] word, zero;

      always_ff @(posedge clk) if (state == PLACE && at == 16'(i)) begin
        base_y <= 16'(out_y * 16'(stride_y)) - 16'(pad_y);
        base_x <= 16'(out_x * (`XV_BUG == xv_bugs::STRIDE_IGNORED_X ? 16'd1 : 16'(stride_x)))
          - 16'(pad_x);
      end
      if (i == 0) begin : g_edge
        assign {valid, last, row_c, row_u, row_v} = {feeds, feeds_last, c, u, v};
      end else begin : g_chain
        assign {valid, last, row_c, row_u, row_v} =
          {g_row[i-1].next_valid, g_row[i-1].next_last,
           g_row[i-1].next_c, g_row[i-1].next_u, g_row[i-1].next_v};
      end
      always_ff @(posedge clk) begin
        {next_valid, next_last} <= state == STREAM ? {valid, last} : 2'b0;
        {next_c, next_u, next_v} <= {row_c, row_u, row_v};
      end
      xv_window window (
        .base_y(base_y), .base_x(base_x), .c(row_c), .u(row_u), .v(row_v),
        .height(height), .width(width), .x_channels(x_channels), .t_channels(t_channels),
        .dilation_y(dilation_y), .dilation_x(dilation_x),
        .in_image(in_image), .of_product(of_product), .address(address)
      );
      assign image_address[i] = of_product ? 32'd0 : address;
      always_comb begin
        word = of_product ? 9'($signed(product_memory[address])) : 9'($signed(image_data[i]));
        zero = row_c >= x_channels && `XV_BUG != xv_bugs::ONE_ZERO_POINT ? 9'(t_zero) : 9'(x_zero);
        west[i] = in_image ? word - zero : 9'sd0;
        if (!in_image && `XV_BUG == xv_bugs::PAD_RAW_ZERO) west[i] = -zero;
      end
      assign west_valid[i] = valid && 16'(i) < tile_rows;
      assign west_last[i] = last;
    end
    for (j = 0; j < COLS; j++) begin : g_col
      logic valid, next_valid;
      logic [31:0] tap, next_tap;
      if (j == 0) begin : g_edge
        assign {valid, tap} = {feeds, fed};
      end else begin : g_chain
        assign {valid, tap} = {g_col[j-1].next_valid, g_col[j-1].next_tap};
      end
      always_ff @(posedge clk) begin
        next_valid <= state == STREAM && valid;
        next_tap <= tap;
      end
      assign north_valid[j] = valid && 16'(j) < tile_cols;
      assign north[j] = weight[(32'(channel0) + j) * taps + tap];
    end
  endgenerate

  xv_array_os #(.ROWS(ROWS), .COLS(COLS)) array (
    .clk(clk), .rst(rst), .forget(state != STREAM),
    .west_valid(west_valid), .west_last(west_last), .west(west),
    .north_valid(north_valid), .north(north), .row(at), .clear(clears),
    .sums(sums), .complete(complete)
  );
  logic [ROWS*COLS-1:0] corner;           // of the occupied part: done with it, done with the fold
  generate
    for (i = 0; i < ROWS; i++) begin : g_corner_row
      for (j = 0; j < COLS; j++) begin : g_corner
        assign corner[i*COLS + j] =
          complete[i][j] && 16'(i + 1) == tile_rows && 16'(j + 1) == tile_cols;
      end
    end
  endgenerate
  assign fold_done = |corner;

  // Draining: one row of sums per cycle, requantised in COLS lanes.
  assign result_image = images_done;
  always_ff @(posedge clk) begin
    if (rst || begins) result_valid <= 1'b0;
    else if (drains) result_valid <= 1'b1;
    else if (result_ready) result_valid <= 1'b0;
  end
  generate
    for (j = 0; j < COLS; j++) begin : g_lane
      logic [31:0] channel, multiplier_of;
      logic signed [31:0] biased, before_clip;
      logic signed [7:0] clipped;
      assign channel = 32'(channel0) + j;
      assign multiplier_of = `XV_BUG == xv_bugs::MULTIPLIER_OF_TILE ? 32'(channel0) : channel;
      assign biased = sums[j] + (`XV_BUG == xv_bugs::BIAS_MISSING ? 32'd0 : bias[channel]);
      xv_requantise requantise (
        .a(biased), .multiplier(multiplier[multiplier_of]), .shift(shift[channel]),
        .rounding(rounding), .zero_point(y_zero), .before_clip(before_clip), .result(clipped)
      );
      always_ff @(posedge clk) if (drains) begin
        result_mask[j] <= 16'(j) < tile_cols &&
          !(`XV_BUG == xv_bugs::RAGGED_CHANNELS_LOST && tile_cols < 16'(COLS));
        result_address[32*j +: 32] <= result_base + pixel0 + 32'(at)
          + (result_image * 32'(out_channels) + channel) * pixels;
        result_accumulator[32*j +: 32] <= sums[j];
        result_biased[32*j +: 32] <= biased;
        result_before_clip[32*j +: 32] <= before_clip;
        result_output[8*j +: 8] <= clipped;
      end
    end
  endgenerate

  // One build for every bug: the plusarg chooses.
  int bug;
  initial begin
    if (!$value$plusargs("xv_bug=%d", bug)) bug = xv_bugs::NONE;
    bug = xv_bugs::chosen(bug);
  end
endmodule
