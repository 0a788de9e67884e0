"""The risk model offline: reading accounts, training, judging, watching. Nothing deployed needs it."""
