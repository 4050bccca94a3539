// A bare systolic array and what feeds it: one matrix product, fold after fold, cycles counted.
//
// Output-stationary: west holds a (rows x depth), north holds b (depth x cols); result = a @ b.
// Weight-stationary: north holds what stays (rows x cols), west what moves (rows x depth, element
// (i, t) first fed to row i as its t-th); result (depth x cols) = movingT @ staying.
// Input-stationary is the second with the operands exchanged and the result transposed.
//
// A fold is the part of the matrix that fits the array. Folds run one after another without a cycle
// between them; a fold ends when the array says that its last value left, never by counting what a
// formula says. "cycles" counts from the first operand in to the last result out, "feeding" those of
// them in which the first lane is fed.
module xv_gemm #(
  parameter int ROWS = 4,
  parameter int COLS = 4,
  parameter bit WEIGHT_STATIONARY = 1'b0,
  parameter int DEPTH = 4096              // words of each memory
) (
  input  logic        clk,
  input  logic        rst,
  input  logic        write_west,
  input  logic        write_north,
  input  logic [31:0] address,
  input  logic [8:0]  data,
  input  logic [15:0] rows,               // of the whole product, on the rows of the array
  input  logic [15:0] cols,
  input  logic [15:0] depth,              // streamed
  input  logic        start,
  output logic        busy,
  output logic [31:0] cycles,
  output logic [31:0] feeding,
  output logic [31:0] folds,
  output logic [31:0] read_data           // of the result, at "address"
);
  logic [8:0]  west_memory  [0:DEPTH-1];
  logic [7:0]  north_memory [0:DEPTH-1];

  always_ff @(posedge clk) begin
    if (write_west)  west_memory[address]  <= data;
    if (write_north) north_memory[address] <= data[7:0];
  end

  localparam logic [1:0] IDLE = 0, LOAD = 1, STREAM = 2, DRAIN = 3;
  logic [1:0] state;
  logic [15:0] row0, col0;                // corner of this fold
  logic [15:0] fold_rows, fold_cols;      // what it occupies
  logic [15:0] fed;                       // values fed to the first lane in this fold
  logic [15:0] moved;                     // rows loaded or drained
  logic        last_cols, last_fold, fold_done, fold_ends;
  logic        feed, feed_last;

  assign busy = state != IDLE;
  assign fold_rows = rows - row0 < 16'(ROWS) ? rows - row0 : 16'(ROWS);
  assign fold_cols = cols - col0 < 16'(COLS) ? cols - col0 : 16'(COLS);
  assign last_cols = col0 + 16'(COLS) >= cols;
  assign last_fold = last_cols && row0 + 16'(ROWS) >= rows;
  assign fold_ends = WEIGHT_STATIONARY ? state == STREAM && fold_done
                                       : state == DRAIN && moved == fold_rows - 16'd1;
  assign feed = state == STREAM && fed < depth;
  assign feed_last = feed && fed == depth - 16'd1;

  always_ff @(posedge clk) begin
    if (rst) begin
      state <= IDLE;
      {cycles, feeding, folds} <= 96'b0;
    end else begin
      if (state != IDLE) cycles <= cycles + 32'd1;
      if (feed) feeding <= feeding + 32'd1;
      case (state)
        IDLE: if (start) begin
          {row0, col0, fed, moved} <= 64'b0;
          {cycles, feeding, folds} <= 96'b0;
          state <= WEIGHT_STATIONARY ? LOAD : STREAM;
        end
        LOAD: begin
          moved <= moved + 16'd1;
          if (moved == fold_rows - 16'd1) begin
            moved <= 16'd0;
            state <= STREAM;
          end
        end
        STREAM: begin
          if (feed) fed <= fed + 16'd1;
          if (fold_done) begin
            fed <= 16'd0;
            state <= DRAIN;               // unless it was the end of a fold: see below
          end
        end
        DRAIN: begin
          moved <= moved + 16'd1;
          if (moved == fold_rows - 16'd1) moved <= 16'd0;
        end
      endcase
      if (fold_ends) begin
        folds <= folds + 32'd1;
        state <= last_fold ? IDLE : WEIGHT_STATIONARY ? LOAD : STREAM;
        col0 <= last_cols ? 16'd0 : col0 + 16'(COLS);
        if (last_cols) row0 <= row0 + 16'(ROWS);
      end
    end
  end

  genvar i, j;
  generate
    if (!WEIGHT_STATIONARY) begin : g_os
      logic [ROWS-1:0] west_valid, west_last;
      logic [ROWS-1:0][8:0] west;
      logic [COLS-1:0] north_valid;
      logic [COLS-1:0][7:0] north;
      logic [COLS-1:0][31:0] sums;
      logic [ROWS-1:0][COLS-1:0] complete;
      logic [ROWS-1:0][15:0] west_at;     // which value each row is fed: one later per row
      logic [COLS-1:0][15:0] north_at;
      logic [31:0] result [0:DEPTH-1];

      for (i = 0; i < ROWS; i++) begin : g_feed_row
        logic valid, last, next_valid, next_last;
        logic [15:0] at, next_at;
        if (i == 0) begin : g_edge
          assign {valid, last, at} = {feed, feed_last, fed};
        end else begin : g_chain
          assign {valid, last, at} = {g_feed_row[i-1].next_valid, g_feed_row[i-1].next_last,
                                      g_feed_row[i-1].next_at};
        end
        always_ff @(posedge clk) begin
          {next_valid, next_last} <= state == STREAM ? {valid, last} : 2'b0;
          next_at <= at;
        end
        assign west_valid[i] = valid && 16'(i) < fold_rows;
        assign {west_last[i], west_at[i]} = {last, at};
        assign west[i] = west_memory[(32'(row0) + i) * depth + 32'(west_at[i])];
      end
      for (j = 0; j < COLS; j++) begin : g_feed_col
        logic valid, next_valid;
        logic [15:0] at, next_at;
        if (j == 0) begin : g_edge
          assign {valid, at} = {feed, fed};
        end else begin : g_chain
          assign {valid, at} = {g_feed_col[j-1].next_valid, g_feed_col[j-1].next_at};
        end
        always_ff @(posedge clk) begin
          next_valid <= state == STREAM && valid;
          next_at <= at;
        end
        assign north_valid[j] = valid && 16'(j) < fold_cols;
        assign north_at[j] = at;
        assign north[j] = north_memory[32'(north_at[j]) * cols + 32'(col0) + j];
      end

      xv_array_os #(.ROWS(ROWS), .COLS(COLS)) array (
        .clk(clk), .rst(rst), .forget(state != STREAM),
        .west_valid(west_valid), .west_last(west_last), .west(west),
        .north_valid(north_valid), .north(north), .row(moved), .clear(state == DRAIN),
        .sums(sums), .complete(complete)
      );
      logic [ROWS*COLS-1:0] corner;         // of the occupied part
      for (genvar i = 0; i < ROWS; i++) begin : g_corner_row
        for (genvar j = 0; j < COLS; j++) begin : g_corner
          assign corner[i*COLS + j] =
            complete[i][j] && 16'(i + 1) == fold_rows && 16'(j + 1) == fold_cols;
        end
      end
      assign fold_done = |corner;

      always_ff @(posedge clk)
        if (state == DRAIN)
          for (int lane = 0; lane < COLS; lane++)
            if (16'(lane) < fold_cols)
              result[(32'(row0) + 32'(moved)) * cols + 32'(col0) + lane] <= sums[lane];
      assign read_data = result[address];
    end else begin : g_ws
      logic [ROWS-1:0] west_valid, west_last;
      logic [ROWS-1:0][8:0] west;
      logic [COLS-1:0][7:0] north;
      logic [COLS-1:0] leaving, leaving_last, left, left_last, occupied;
      logic [COLS-1:0][31:0] sums;
      logic [COLS-1:0][15:0] left_at;     // which value of the stream each column has at its edge
      logic [15:0] left_col0, left_row0;  // and of which fold
      logic [31:0] result [0:DEPTH-1];

      for (i = ROWS - 1; i >= 0; i--) begin : g_feed_row
        logic valid, last, next_valid, next_last;
        logic [15:0] at, next_at;
        if (i == ROWS - 1) begin : g_edge
          assign {valid, last, at} = {feed, feed_last, fed};
        end else begin : g_chain          // the last occupied row is fed first
          assign {valid, last, at} = 16'(i) + 16'd1 == fold_rows ? {feed, feed_last, fed}
            : {g_feed_row[i+1].next_valid, g_feed_row[i+1].next_last, g_feed_row[i+1].next_at};
        end
        always_ff @(posedge clk) begin
          {next_valid, next_last} <= state == STREAM ? {valid, last} : 2'b0;
          next_at <= at;
        end
        assign west_valid[i] = valid && 16'(i) < fold_rows;
        assign west_last[i] = last;
        assign west[i] = west_memory[(32'(row0) + i) * depth + 32'(at)];
      end
      for (j = 0; j < COLS; j++) begin : g_stay
        assign occupied[j] = 16'(j) < fold_cols;
        assign north[j] = north_memory[(32'(row0) + 32'(fold_rows) - 32'd1 - 32'(moved)) * cols
                                       + 32'(col0) + j];
      end

      xv_array_ws #(.ROWS(ROWS), .COLS(COLS)) array (
        .clk(clk), .rst(rst), .load(state == LOAD), .north(north),
        .west_valid(west_valid), .west_last(west_last), .west(west),
        .leaving(leaving), .leaving_last(leaving_last), .sums(sums)
      );
      always_comb begin
        fold_done = 1'b0;
        for (int last_j = 0; last_j < COLS; last_j++)
          if (16'(last_j + 1) == fold_cols) fold_done = leaving_last[last_j];
      end

      // What left is added to the sums of earlier folds one cycle later, outside the array.
      always_ff @(posedge clk) begin
        left <= rst || state != STREAM ? '0 : leaving & occupied;
        left_last <= leaving_last;
        {left_col0, left_row0} <= {col0, row0};
        for (int lane = 0; lane < COLS; lane++) begin
          if (rst) left_at[lane] <= 16'd0;
          else if (left[lane]) begin
            left_at[lane] <= left_last[lane] ? 16'd0 : left_at[lane] + 16'd1;
            result[32'(left_at[lane]) * cols + 32'(left_col0) + lane] <= sums[lane]
              + (left_row0 == 16'd0 ? 32'd0
                 : result[32'(left_at[lane]) * cols + 32'(left_col0) + lane]);
          end
        end
      end
      assign read_data = result[address];
    end
  endgenerate
endmodule
