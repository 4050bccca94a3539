// Weight-stationary systolic array: ROWS x COLS elements, each holding one operand that stays.
//
// The staying operand enters at the north edge, the row that goes furthest first, and moves one row
// south per cycle while "load" is high, and whatever moved east is forgotten. Then activations move east, and sums move north through a
// column, one product added in each element; they leave as "sums", a register at the north edge.
// Row r-1 of r occupied rows is fed first, row i (r-1-i) cycles later. Rows that are not occupied
// are fed nothing and add nothing. With the roles of the operands exchanged the same array is
// input-stationary.
module xv_array_ws #(
  parameter int ROWS = 4,
  parameter int COLS = 4
) (
  input  logic                   clk,
  input  logic                   rst,
  input  logic                   load,
  input  logic [COLS-1:0][7:0]   north,       // what stays, signed
  input  logic [ROWS-1:0]        west_valid,
  input  logic [ROWS-1:0]        west_last,
  input  logic [ROWS-1:0][8:0]   west,        // what moves, signed
  output logic [COLS-1:0]        leaving,     // a sum enters the edge register in this cycle
  output logic [COLS-1:0]        leaving_last,
  output logic [COLS-1:0][31:0]  sums
);
  genvar i, j;
  generate
    for (i = 0; i < ROWS; i++) begin : g_row
      for (j = 0; j < COLS; j++) begin : g_col
        logic a_valid, a_last, east_valid, east_last;
        logic signed [8:0] a;
        logic [8:0] east;
        logic [7:0] held, from_north;
        logic signed [31:0] sum, from_south;

        if (j == 0) begin : g_edge_west
          assign {a_valid, a_last} = {west_valid[i], west_last[i]};
          assign a = west[i];
        end else begin : g_from_west
          assign {a_valid, a_last} = {g_row[i].g_col[j-1].east_valid,
                                      g_row[i].g_col[j-1].east_last};
          assign a = g_row[i].g_col[j-1].east;
        end
        if (i == 0) begin : g_edge_north
          assign from_north = north[j];
        end else begin : g_from_north
          assign from_north = g_row[i-1].g_col[j].held;
        end
        if (i == ROWS - 1) begin : g_edge_south
          assign from_south = 32'sd0;
        end else begin : g_from_south
          assign from_south = g_row[i+1].g_col[j].sum;
        end

        always_ff @(posedge clk) begin
          if (rst) begin
            {east_valid, east_last} <= 2'b0;
            sum <= 32'sd0;
          end else begin
            {east_valid, east_last} <= load ? 2'b0 : {a_valid, a_last};
            sum <= from_south + (a_valid ? 32'(a) * 32'($signed(held)) : 32'sd0);
          end
          east <= a;
          if (load) held <= from_north;
        end
      end
    end
    for (j = 0; j < COLS; j++) begin : g_north
      assign leaving[j] = g_row[0].g_col[j].a_valid;
      assign leaving_last[j] = g_row[0].g_col[j].a_last && g_row[0].g_col[j].a_valid;
      assign sums[j] = g_row[0].g_col[j].sum;
    end
  endgenerate
endmodule
