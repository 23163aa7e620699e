"""Dashboards: how an organization's conversations go, by hour, day and channel, as charts and tables."""
