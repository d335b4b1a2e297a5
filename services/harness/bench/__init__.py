"""Figures of a running federation, each beside a floor measured in the same run (messaging.md 14)."""
