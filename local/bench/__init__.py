"""`dunlin bench`: what the application costs, in operations, money, processor time and start-up.

Every figure is a ratio of two things that were measured in the same run, so that it means the same on another machine.
`limits.py` says which ratios are held; docs/performance.md what they mean and what they were.
"""
