"""Who read or did what, to whom, why: one append-only row for each, in the transaction of the act itself."""

from shared.audit.tables import AUDIT_DDL, audit, audit_salt
from shared.audit.write import AuditEntry, Decision, write_audit

__all__ = ["AUDIT_DDL", "AuditEntry", "Decision", "audit", "audit_salt", "write_audit"]
