"""Where AWS meets the services: settings, observability, event parsing, and the one place that puts things together."""
