"""Postgres as Django speaks to it, but for how a test that commits is cleared away.

Django truncates every table, which makes each table and each of its indexes anew: that took as long as the
test. Deleting the few rows that are there takes a tenth of it.
"""
