"""Coverage points that several operators share, by the part of the computation they watch."""
