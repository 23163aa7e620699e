"""Engines: what turns a chat into text. `runner` is the one file that calls llama.cpp to compute."""
