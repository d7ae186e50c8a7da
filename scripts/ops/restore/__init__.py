"""Restores: the plan, the steps with their times, and what a finished one is evidence of.
playbooks/restore.yml acts.
"""
