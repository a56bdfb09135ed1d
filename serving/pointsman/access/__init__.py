"""Keys, users, teams, roles and rates: who may ask what, how often. Pure."""

from pointsman.access.rates import Admission, RateLimiter, Standing
from pointsman.access.records import IssuedKey, KeyRecord, KeyTerms, StoredKey, UserRecord, terms_of
from pointsman.access.ring import KeyRing, KeyStore
from pointsman.access.roles import check_reach, payers
from pointsman.access.words import ACCESS_ROLES, ANONYMOUS, AccessRole, Principal, Rates

__all__ = [
    "ACCESS_ROLES",
    "ANONYMOUS",
    "AccessRole",
    "Admission",
    "IssuedKey",
    "KeyRecord",
    "KeyRing",
    "KeyStore",
    "KeyTerms",
    "Principal",
    "RateLimiter",
    "Rates",
    "Standing",
    "StoredKey",
    "UserRecord",
    "check_reach",
    "payers",
    "terms_of",
]
