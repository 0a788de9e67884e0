"""A run as one page that can be read without anything else: what was sent, what was not, and why."""

from local.report.render import render_report, write_report

__all__ = ["render_report", "write_report"]
