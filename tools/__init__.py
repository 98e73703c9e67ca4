"""Tools for people who work on Onward; nothing here is part of the package."""
