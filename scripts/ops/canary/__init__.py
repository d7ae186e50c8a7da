"""Releasing in batches: plan, lock, gates, soak, verdict, report. Hosts are changed by the playbook."""
