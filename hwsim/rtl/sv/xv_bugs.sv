// Bugs of the device, none of them on unless a build asks for one.
//
//   (no define)                            the right device
//   +define+XV_BUG=xv_bugs::PAD_RAW_ZERO   that bug, fixed when the design is elaborated
//   +define+XV_BUG=xv_bugs::selected       every bug in one build, chosen by the plusarg +xv_bug=N
//
// Each is one comparison at the place a designer would have made the mistake. hwsim/rtl/bugs.toml
// says what each is in words, and which mutant of the bit-exact model it corresponds to.
package xv_bugs;
  localparam int NONE                   = 0;
  localparam int PAD_RAW_ZERO           = 1;   // padding reads 0, not the zero point
  localparam int RAGGED_CHANNELS_LOST   = 2;   // output channels of a ragged tile never written
  localparam int RAGGED_PIXELS_WRITTEN  = 3;   // pixels beyond the last one computed and written
  localparam int SUM_NOT_CLEARED        = 4;   // sums of the last tile stay for the next case
  localparam int SUM_16_BITS            = 5;   // an accumulator of 16 bits
  localparam int WEIGHT_UNSIGNED        = 6;   // weights read as 0 to 255
  localparam int ROUND_TRUNCATES        = 7;   // results rounded by dropping the fraction
  localparam int ROUND_TWICE            = 8;   // two roundings where one is declared
  localparam int NO_SATURATION          = 9;   // outputs wrap instead of saturating
  localparam int SHIFT_REVERSED         = 10;  // the neighbour on the other side
  localparam int NO_WRAP                = 11;  // a circular shift reads real 0 beyond the border
  localparam int PRODUCT_ZERO_MISSING   = 12;  // x' of the product without its zero point
  localparam int STALE_BANK             = 13;  // every image computed from bank 0
  localparam int WORD_LOST_ON_STALL     = 14;  // the drain goes on while nobody takes the word
  localparam int CONCAT_REVERSED        = 15;  // [T; x] where [x; T] is declared
  localparam int ONE_ZERO_POINT         = 16;  // x's zero point taken from product channels
  localparam int TAPS_TRANSPOSED        = 17;  // kernel rows and columns swapped
  localparam int MULTIPLIER_OF_TILE     = 18;  // a tile uses the multiplier of its first channel
  localparam int PRODUCT_16_BITS        = 19;  // shift products kept in 16 bits
  localparam int ROW_RUNS_OVER          = 20;  // columns beyond a row read from the next row
  localparam int BIAS_MISSING           = 21;  // the bias never added
  localparam int STRIDE_IGNORED_X       = 22;  // columns one apart whatever the stride
  localparam int ZERO_AFTER_CLIP        = 23;  // clipped before the zero point is added
  int selected = NONE;
  function int chosen(input int bug);         // what a plusarg chose; Icarus assigns it only here
    selected = bug;
    chosen = bug;
  endfunction
endpackage
