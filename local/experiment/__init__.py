"""Comparing ways of contact: how many borrowers an experiment needs, and what one has shown. Offline."""
