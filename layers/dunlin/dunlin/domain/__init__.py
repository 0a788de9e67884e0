"""The rules: frozen data in, decisions out. No clock, no I/O, no environment, no AWS."""
