"""Keys, users, teams, roles and rates: who may ask what, how often. Pure."""

from pointsman.access.words import ACCESS_ROLES, ANONYMOUS, AccessRole, Principal, Rates

__all__ = ["ACCESS_ROLES", "ANONYMOUS", "AccessRole", "Principal", "Rates"]
