"""Made-up organizations with the conversations of months: to look at, and to measure pages with.

What is made depends on the seed and on the moment it ends at only. Rows go in by COPY, in the order of time,
so that they lie on the disk as a hub at work has them.
"""
