"""Mitogen's linear strategy without its processor affinity.

On a machine with two or three cores Mitogen keeps one core for its own message pump and binds all of
ansible-playbook to what is left: one core of two. Measured on 2 cores, ten hosts, a no-op converge: 53 s with
the binding, 31 s without. There is no setting for it (ansible_mitogen/affinity.py); the policy is replaced.
"""

import ansible_mitogen.affinity
import ansible_mitogen.loaders
import ansible_mitogen.strategy

ansible_mitogen.affinity.policy = ansible_mitogen.affinity.Policy()

Base = ansible_mitogen.loaders.strategy_loader.get("linear", class_only=True)


class StrategyModule(ansible_mitogen.strategy.StrategyMixin, Base):  # type: ignore[misc]
    """The strategy `mitogen_unpinned`."""
