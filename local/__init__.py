"""What runs only on a developer's machine: the embedded AWS, the provider simulator, the `dunlin` command.

Nothing that is deployed imports this package.
"""
