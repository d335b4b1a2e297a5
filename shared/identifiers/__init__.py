"""Numbers and codes of the trade: each is parsed once, at the edge, and refused with its rule and its source."""
