"""`dunlin plan`: what a content would say to a portfolio, and what another version of it would say instead."""
