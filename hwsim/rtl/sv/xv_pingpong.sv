// A double-buffered image memory: one bank is filled while the other is worked on.
//
// Words arrive in order; after "words" of them the bank is handed over, if the other one has been
// given back. The work side reads any address of its bank on every port in the same cycle (on an
// FPGA: one copy per port), and gives the bank back with "give_back".
`include "xv_bug_default.svh"

module xv_pingpong #(
  parameter int DEPTH = 2048,
  parameter int PORTS = 4
) (
  input  logic                   clk,
  input  logic                   rst,
  input  logic                   restart,     // a new case: both banks empty, bank 0 first
  input  logic [31:0]            words,       // of one image
  input  logic                   fill_valid,
  output logic                   fill_ready,
  input  logic [7:0]             fill_data,
  output logic                   full,        // the work side has an image
  input  logic                   give_back,
  input  logic [PORTS-1:0][31:0] address,
  output logic [PORTS-1:0][7:0]  data
);
  logic [7:0]  bank_0 [0:DEPTH-1];
  logic [7:0]  bank_1 [0:DEPTH-1];
  logic        fill_bank, work_bank, read_bank;
  logic [1:0]  held;                          // banks that hold an image
  logic [31:0] fill_at;
  logic        take, handed_over;

  assign fill_ready = held < 2'd2;
  assign full = held > 2'd0;
  assign take = fill_valid && fill_ready;
  assign handed_over = take && fill_at + 32'd1 == words;
  assign read_bank = `XV_BUG == xv_bugs::STALE_BANK ? 1'b0 : work_bank;

  always_ff @(posedge clk) begin
    if (rst || restart) begin
      {fill_bank, work_bank} <= 2'b00;
      held <= 2'd0;
      fill_at <= 32'd0;
    end else begin
      if (take) fill_at <= handed_over ? 32'd0 : fill_at + 32'd1;
      if (handed_over) fill_bank <= !fill_bank;
      if (give_back) work_bank <= !work_bank;
      held <= held + 2'(handed_over) - 2'(give_back);
    end
    if (take && !fill_bank) bank_0[fill_at] <= fill_data;
    if (take && fill_bank)  bank_1[fill_at] <= fill_data;
  end

  genvar i;
  generate
    for (i = 0; i < PORTS; i++) begin : g_port
      assign data[i] = read_bank ? bank_1[address[i]] : bank_0[address[i]];
    end
  endgenerate
endmodule
