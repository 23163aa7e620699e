"""The fake platforms in one process, with a page to play the contacts: `make run` starts it.

It stands with the fakes, which are what it shows: nothing that is deployed knows of it. One file per thing:
simulator.py ties the rest together, front.py is its HTTP and page.py what the page asks for; platforms/ says
what people can do on each platform and what they notice of the hub's calls; chats.py, wire.py and packets.py
hold what the page shows, faults.py what goes wrong, memory.py what outlives a restart.
"""
