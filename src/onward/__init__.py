"""Onward: related products that know direction, delay and doubt."""

__version__ = "0.1.0"
