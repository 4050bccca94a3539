// Without a define the device is right; see xv_bugs.sv.
`ifndef XV_BUG
  `define XV_BUG xv_bugs::NONE
`endif
