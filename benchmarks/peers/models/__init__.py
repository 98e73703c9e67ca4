"""Peers: they run under the Python of .venv-peers, read an exam's folder, and import nothing of Onward."""
