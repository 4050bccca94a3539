// Output-stationary systolic array: ROWS x COLS elements, each with a sum that stays.
//
// Activations move east and weights south, one element per cycle; an element that sees one of each
// multiplies them and adds the product to its sum. Row i and column j must be fed i and j cycles
// late, so that partners meet. "last" travels with the activations: after it the sum is complete.
// What moves on beyond the occupied part must be forgotten before the next fold, which may occupy
// more. Sums are read at the north edge, one row at a time, and cleared by whoever reads them. They
// are 32 bits and wrap; integer sums have the same bits in every order.
`include "xv_bug_default.svh"

module xv_array_os #(
  parameter int ROWS = 4,
  parameter int COLS = 4
) (
  input  logic                       clk,
  input  logic                       rst,
  input  logic                       forget,      // whatever still moves, between two folds
  input  logic [ROWS-1:0]            west_valid,
  input  logic [ROWS-1:0]            west_last,
  input  logic [ROWS-1:0][8:0]       west,        // activation minus zero point, signed
  input  logic [COLS-1:0]            north_valid,
  input  logic [COLS-1:0][7:0]       north,       // weight, signed
  input  logic [15:0]                row,         // whose sums are shown
  input  logic                       clear,       // and begin again
  output logic [COLS-1:0][31:0]      sums,
  output logic [ROWS-1:0][COLS-1:0]  complete     // adds its last product in this cycle
);
  logic [ROWS-1:0][COLS-1:0][31:0] sum;

  genvar i, j;
  generate
    for (i = 0; i < ROWS; i++) begin : g_row
      for (j = 0; j < COLS; j++) begin : g_col
        logic a_valid, a_last, b_valid;
        logic signed [8:0] a;
        logic signed [7:0] b;
        logic east_valid, east_last, south_valid;
        logic [8:0] east;
        logic [7:0] south;

        if (j == 0) begin : g_edge_west
          assign {a_valid, a_last} = {west_valid[i], west_last[i]};
          assign a = west[i];
        end else begin : g_from_west
          assign {a_valid, a_last} = {g_row[i].g_col[j-1].east_valid,
                                      g_row[i].g_col[j-1].east_last};
          assign a = g_row[i].g_col[j-1].east;
        end
        if (i == 0) begin : g_edge_north
          assign b_valid = north_valid[j];
          assign b = north[j];
        end else begin : g_from_north
          assign b_valid = g_row[i-1].g_col[j].south_valid;
          assign b = g_row[i-1].g_col[j].south;
        end

        logic signed [31:0] product, added;
        always_comb begin
          product = 32'(a) * 32'(b);
          if (`XV_BUG == xv_bugs::WEIGHT_UNSIGNED) product = 32'(a) * $signed({24'b0, b});
          added = $signed(sum[i][j]) + product;
          if (`XV_BUG == xv_bugs::SUM_16_BITS) added = {{16{added[15]}}, added[15:0]};
        end

        always_ff @(posedge clk) begin
          if (rst || forget) {east_valid, east_last, south_valid} <= 3'b0;
          else {east_valid, east_last, south_valid} <= {a_valid, a_last, b_valid};
          if (rst || (clear && row == 16'(i))) sum[i][j] <= 32'b0;
          else if (a_valid && b_valid && !forget) sum[i][j] <= added;
          east  <= a;
          south <= b;
        end
        assign complete[i][j] = a_valid && b_valid && a_last;
      end
    end
  endgenerate

  assign sums = sum[row];
endmodule
