"""Borrowers, messages, suppressions and controls in DynamoDB."""
