"""All orders of a small world: the real services on the in-memory ports, every interleaving of their port calls.

`ports` is the world outside the services, frozen and thawed; `stepping` runs a service one port call at a time;
`search` walks every order and keeps the shortest way to what it finds; `laws` says what must hold, without the
services' own logic; `worlds` are the small worlds; `guards` takes the design's guards away, one at a time.
"""
