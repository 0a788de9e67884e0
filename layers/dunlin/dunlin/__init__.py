"""Dunlin: what a consumer lender has to say to its borrowers, said at the right moment or not at all."""
