"""Figures of what is played."""
