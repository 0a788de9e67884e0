"""An independent judge of a run: reads what was recorded outside the application, and the law; nothing of its code.

`audit(folder)` reads evidence files only. It imports nothing of what it judges, so that a mistake in a rule cannot
excuse itself.
"""

from local.auditor.evidence import EvidenceError
from local.auditor.judge import audit
from local.auditor.report import KINDS, AuditReport, Finding

__all__ = ["KINDS", "AuditReport", "EvidenceError", "Finding", "audit"]
