"""The world outside: AWS, providers, templates. Each adapter implements a protocol of `dunlin.services.ports`."""
