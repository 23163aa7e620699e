"""Engines: what turns a chat into text. `embedded` is the one file that calls llama.cpp."""
