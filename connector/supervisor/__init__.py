"""``connector run --processes N``: several processes of one group on one machine, under one parent.

The parent reads no topic and makes no call. It starts the processes, passes signals on, starts one again that ended or
stands still, and serves their health pages as one.
"""
