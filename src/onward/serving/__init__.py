"""Answers about products, and their HTTP service."""
